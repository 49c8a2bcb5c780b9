/**
 * Several words that are one: "petrol station", "as soon as possible", "get rid of".
 *
 * A line is the lemmas of the words; what follows `=` is the word that takes their place, else they are joined by `_`.
 * Entries with underscores in `Synonyms` are phrases too and need no line here.
 */
export const phrases = `
stack overflow
machine learn = machine_learning
artificial intelligence
deep learn = deep_learning
credit card
debit card
bank card
bank account
check account = checking_account
save account = savings_account
gift card
sim card
prime number
solar system
world war
united states of america = usa
united states = usa
us of a = usa
united kingdom = uk
new york city = nyc
new york
los angeles
san francisco
hong kong
south africa
south korea
north korea
new zealand
saudi arabia
visual studio code = vscode
vs code = vscode
visual studio
power point = powerpoint
google doc = google_docs
open source
open ai = openai
real time
real estate
high school
side effect
social media
customer service
credit score
home page = homepage
data base = database
file name = filename
time zone = timezone
zip code = zipcode
post code = zipcode
postal code = zipcode
drop down = dropdown
log in = login
log into = login
sign in = login
sign into = login
log out = logout
sign out = logout
log off = logout
sign up = signup
top up = topup
set up = setup
back up = backup
check out = checkout
phone number
order number
street address
at least
at most
more than
less than
no more than = at_most
no less than = at_least
up to = at_most
as well as = and
such as
instead of
in order to = to
due to = because
because of = because
prior to = before
in front of
in addition to = and
rather than = instead_of
according to
in terms of = about
with regard to = about
a lot of = many
lot of = many
a number of = several
a couple of = couple
kind of
sort of
for free = free
free of charge = free
at no cost = free
money back
get back
long term
short term
long distance
part time
full time
first name
last name
family name = last_name
given name = first_name
middle name
common sense
how to
step by step
best practice
use case
pro and con = pros_cons
advantage and disadvantage = pros_cons
disadvantage and advantage = pros_cons
benefit and drawback = pros_cons
up to date
out of date
used to
have to = must
have get to = must
be able to = can
look like
sound like
run out of
out of
wake up = wake
find out = find_out
figure out
work out
point out = show
carry out = do
hand in = submit
fill out = fill
fill in = fill
fill up = fill
pick up
drop off
give up = quit
take off
put on
turn on
turn off
switch on
switch off
turn up
turn down
shut down
shut off = turn_off
slow down
speed up
break down
calm down
cut down on = reduce
cut down = reduce
cut back on = reduce
get rid of
come up with = create
deal with
look up = lookup
look into = investigate
look after
take care of = look_after
care for = look_after
put off = postpone
call off
go through
take place
lose weight
put in
pay in
take out
send back
keep up with
catch up
cheer up
grow up
show up = appear
turn up = appear
throw away = discard
throw out = discard
get in touch
in touch
right now = now
at the moment = now
at present = now
as of = in
full stop = period
not work
no one = nobody
every day = daily
every week = weekly
every month = monthly
every year = yearly
each day = daily
each month = monthly
per day = daily
per month = monthly
per year = yearly
per week = weekly
every time = whenever
each time = whenever
too much
too many
retrieval augmented generation
large language model
natural language processing
two factor
two factor authentication = 2fa
2 factor authentication = 2fa
two step verification = 2fa
multi factor authentication = 2fa
multifactor authentication = 2fa
environment variable
regular expression
operating system
command line
cash machine
gas station
petrol station
coffee shop
science fiction
sci fi
tv show
tv series
television show = tv_show
television series = tv_show
hike trail = hiking_trail
weight loss
plane ticket
hotel room
interest rate
exchange rate
email address
mobile phone
cell phone = mobile_phone
united nations
european union
chief executive officer
human resource = human_resources
mean by
of course = sure
united arab emirate = uae
in fact = in_fact
as a matter of fact = in_fact
by any chance = in_fact
in reality = in_fact
for real = in_fact
make sure
most affordable
most recent
least expensive
stand for
of all time = ever
no long work = broken
stop work = broken
to do list = todo_list
todo list = todo_list
great britain
mount everest
ever make = ever
drug store = pharmacy
open hour = opening_hours
opening hour = opening_hours
open time = opening_hours
opening time = opening_hours
business hour = opening_hours
fast and easy = quick
quick and easy = quick
easy and quick = quick
easy and fast = quick
most popular = popular
most famous = famous
learn how = learn
work remotely = remote_work
go to sleep = sleep
go to bed = sleep
before bed = before_sleep
before bedtime = before_sleep
before sleep = before_sleep
before go to sleep = before_sleep
before go to bed = before_sleep
thank you note = thank_you_note
thank you letter = thank_you_note
ever write = ever
in simple term = simple
in plain english = simple
in layman's term = simple
`
