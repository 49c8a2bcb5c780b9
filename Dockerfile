# syntax=docker/dockerfile:1
# Two images from one file, both of a user without rights and with a health check:
#   docker build --target gateway -t millrace .
#   docker build --target dashboard -t millrace-dashboard .

FROM node:24.21.0-bookworm-slim AS build
WORKDIR /source
COPY . .
RUN npx -y pnpm@12.21.0 install --frozen-lockfile \
  && node scripts/bundle.ts \
  && node scripts/dashboard.ts

FROM node:24.21.0-bookworm-slim AS dashboard
ENV NODE_ENV=production NEXT_TELEMETRY_DISABLED=1 HOSTNAME=0.0.0.0 PORT=3000
WORKDIR /app
COPY --from=build /source/dashboard/.next/standalone ./
USER node
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:3000/login').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dashboard/server.js"]

# The last stage is what is built when no target is named.
FROM node:24.21.0-bookworm-slim AS gateway
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /source/engine/package.json ./package.json
COPY --from=build /source/engine/bundle ./bundle
RUN install -d -o node -g node /data
WORKDIR /data
USER node
VOLUME /data
EXPOSE 4000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:4000/health/live').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/bundle/main.js"]
CMD ["serve", "--host", "0.0.0.0"]
