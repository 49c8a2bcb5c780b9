;; Coarse scores of rows against one query: out[i] = scales[slot] * (16 * dot(query, high nibbles of row) - bias).
;;
;; `slots` are row numbers (u32), `count` of them, a multiple of 4. Rows stand in blocks of 128: first the high nibbles of
;; all of them, `half` bytes a row, then their low ones, which are not read here. 16 bytes hold 32 numbers: the first 16 in
;; the lower four bits. The query has 2 * half numbers of int8 in the same order, none below -127. `half` is a multiple of
;; 64, so that sixteen products of at most 15 * 127 are summed in 16 bits before they are widened. Four rows are read
;; at a time, so that each part of the query is loaded once for four of them.
;; VectorKernel.ts holds this file assembled, and a test holds the two together.
(module
  (import "index" "memory" (memory 1))
  (func $sum (param $v v128) (result i32)
    (i32.add
      (i32.add (i32x4.extract_lane 0 (local.get $v)) (i32x4.extract_lane 1 (local.get $v)))
      (i32.add (i32x4.extract_lane 2 (local.get $v)) (i32x4.extract_lane 3 (local.get $v)))))
  (func $row (param $slot i32) (param $rows i32) (param $half i32) (result i32)
    (i32.add
      (local.get $rows)
      (i32.mul
        (local.get $half)
        (i32.add
          (i32.shl (i32.and (local.get $slot) (i32.const -128)) (i32.const 1))
          (i32.and (local.get $slot) (i32.const 127))))))
  (func $score (param $sum v128) (param $slot i32) (param $scales i32) (param $bias i32) (result f32)
    (f32.mul
      (f32.convert_i32_s (i32.sub (i32.shl (call $sum (local.get $sum)) (i32.const 4)) (local.get $bias)))
      (f32.load (i32.add (local.get $scales) (i32.shl (local.get $slot) (i32.const 2))))))
  (func (export "score")
    (param $slots i32) (param $count i32) (param $query i32) (param $bias i32) (param $rows i32) (param $half i32)
    (param $scales i32) (param $out i32)
    (local $end i32) (local $s0 i32) (local $s1 i32) (local $s2 i32) (local $s3 i32)
    (local $r0 i32) (local $r1 i32) (local $r2 i32) (local $r3 i32)
    (local $q i32) (local $last i32)
    (local $low v128) (local $high v128) (local $x v128) (local $mask v128)
    (local $n0 v128) (local $n1 v128) (local $n2 v128) (local $n3 v128)
    (local $a0 v128) (local $a1 v128) (local $a2 v128) (local $a3 v128)
    (local.set $mask (v128.const i32x4 0x0f0f0f0f 0x0f0f0f0f 0x0f0f0f0f 0x0f0f0f0f))
    (local.set $end (i32.add (local.get $slots) (i32.shl (local.get $count) (i32.const 2))))
    (local.set $last (i32.add (local.get $query) (i32.shl (local.get $half) (i32.const 1))))
    (block $done
      (loop $fourRows
        (br_if $done (i32.ge_u (local.get $slots) (local.get $end)))
        (local.set $s0 (i32.load (local.get $slots)))
        (local.set $s1 (i32.load offset=4 (local.get $slots)))
        (local.set $s2 (i32.load offset=8 (local.get $slots)))
        (local.set $s3 (i32.load offset=12 (local.get $slots)))
        (local.set $r0 (call $row (local.get $s0) (local.get $rows) (local.get $half)))
        (local.set $r1 (call $row (local.get $s1) (local.get $rows) (local.get $half)))
        (local.set $r2 (call $row (local.get $s2) (local.get $rows) (local.get $half)))
        (local.set $r3 (call $row (local.get $s3) (local.get $rows) (local.get $half)))
        (local.set $a0 (v128.const i32x4 0 0 0 0))
        (local.set $a1 (v128.const i32x4 0 0 0 0))
        (local.set $a2 (v128.const i32x4 0 0 0 0))
        (local.set $a3 (v128.const i32x4 0 0 0 0))
        (local.set $q (local.get $query))
        (loop $widened
          (local.set $low (v128.load (local.get $q)))
          (local.set $high (v128.load offset=16 (local.get $q)))
          (local.set $x (v128.load (local.get $r0)))
          (local.set $n0 (i16x8.add
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $low) (v128.and (local.get $x) (local.get $mask)))
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $high)
              (v128.and (i16x8.shr_u (local.get $x) (i32.const 4)) (local.get $mask)))))
          (local.set $x (v128.load (local.get $r1)))
          (local.set $n1 (i16x8.add
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $low) (v128.and (local.get $x) (local.get $mask)))
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $high)
              (v128.and (i16x8.shr_u (local.get $x) (i32.const 4)) (local.get $mask)))))
          (local.set $x (v128.load (local.get $r2)))
          (local.set $n2 (i16x8.add
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $low) (v128.and (local.get $x) (local.get $mask)))
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $high)
              (v128.and (i16x8.shr_u (local.get $x) (i32.const 4)) (local.get $mask)))))
          (local.set $x (v128.load (local.get $r3)))
          (local.set $n3 (i16x8.add
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $low) (v128.and (local.get $x) (local.get $mask)))
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $high)
              (v128.and (i16x8.shr_u (local.get $x) (i32.const 4)) (local.get $mask)))))
          (local.set $low (v128.load offset=32 (local.get $q)))
          (local.set $high (v128.load offset=48 (local.get $q)))
          (local.set $x (v128.load offset=16 (local.get $r0)))
          (local.set $n0 (i16x8.add (local.get $n0) (i16x8.add
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $low) (v128.and (local.get $x) (local.get $mask)))
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $high)
              (v128.and (i16x8.shr_u (local.get $x) (i32.const 4)) (local.get $mask))))))
          (local.set $x (v128.load offset=16 (local.get $r1)))
          (local.set $n1 (i16x8.add (local.get $n1) (i16x8.add
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $low) (v128.and (local.get $x) (local.get $mask)))
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $high)
              (v128.and (i16x8.shr_u (local.get $x) (i32.const 4)) (local.get $mask))))))
          (local.set $x (v128.load offset=16 (local.get $r2)))
          (local.set $n2 (i16x8.add (local.get $n2) (i16x8.add
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $low) (v128.and (local.get $x) (local.get $mask)))
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $high)
              (v128.and (i16x8.shr_u (local.get $x) (i32.const 4)) (local.get $mask))))))
          (local.set $x (v128.load offset=16 (local.get $r3)))
          (local.set $n3 (i16x8.add (local.get $n3) (i16x8.add
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $low) (v128.and (local.get $x) (local.get $mask)))
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $high)
              (v128.and (i16x8.shr_u (local.get $x) (i32.const 4)) (local.get $mask))))))
          (local.set $low (v128.load offset=64 (local.get $q)))
          (local.set $high (v128.load offset=80 (local.get $q)))
          (local.set $x (v128.load offset=32 (local.get $r0)))
          (local.set $n0 (i16x8.add (local.get $n0) (i16x8.add
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $low) (v128.and (local.get $x) (local.get $mask)))
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $high)
              (v128.and (i16x8.shr_u (local.get $x) (i32.const 4)) (local.get $mask))))))
          (local.set $x (v128.load offset=32 (local.get $r1)))
          (local.set $n1 (i16x8.add (local.get $n1) (i16x8.add
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $low) (v128.and (local.get $x) (local.get $mask)))
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $high)
              (v128.and (i16x8.shr_u (local.get $x) (i32.const 4)) (local.get $mask))))))
          (local.set $x (v128.load offset=32 (local.get $r2)))
          (local.set $n2 (i16x8.add (local.get $n2) (i16x8.add
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $low) (v128.and (local.get $x) (local.get $mask)))
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $high)
              (v128.and (i16x8.shr_u (local.get $x) (i32.const 4)) (local.get $mask))))))
          (local.set $x (v128.load offset=32 (local.get $r3)))
          (local.set $n3 (i16x8.add (local.get $n3) (i16x8.add
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $low) (v128.and (local.get $x) (local.get $mask)))
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $high)
              (v128.and (i16x8.shr_u (local.get $x) (i32.const 4)) (local.get $mask))))))
          (local.set $low (v128.load offset=96 (local.get $q)))
          (local.set $high (v128.load offset=112 (local.get $q)))
          (local.set $x (v128.load offset=48 (local.get $r0)))
          (local.set $n0 (i16x8.add (local.get $n0) (i16x8.add
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $low) (v128.and (local.get $x) (local.get $mask)))
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $high)
              (v128.and (i16x8.shr_u (local.get $x) (i32.const 4)) (local.get $mask))))))
          (local.set $x (v128.load offset=48 (local.get $r1)))
          (local.set $n1 (i16x8.add (local.get $n1) (i16x8.add
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $low) (v128.and (local.get $x) (local.get $mask)))
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $high)
              (v128.and (i16x8.shr_u (local.get $x) (i32.const 4)) (local.get $mask))))))
          (local.set $x (v128.load offset=48 (local.get $r2)))
          (local.set $n2 (i16x8.add (local.get $n2) (i16x8.add
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $low) (v128.and (local.get $x) (local.get $mask)))
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $high)
              (v128.and (i16x8.shr_u (local.get $x) (i32.const 4)) (local.get $mask))))))
          (local.set $x (v128.load offset=48 (local.get $r3)))
          (local.set $n3 (i16x8.add (local.get $n3) (i16x8.add
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $low) (v128.and (local.get $x) (local.get $mask)))
            (i16x8.relaxed_dot_i8x16_i7x16_s (local.get $high)
              (v128.and (i16x8.shr_u (local.get $x) (i32.const 4)) (local.get $mask))))))
          (local.set $r0 (i32.add (local.get $r0) (i32.const 64)))
          (local.set $r1 (i32.add (local.get $r1) (i32.const 64)))
          (local.set $r2 (i32.add (local.get $r2) (i32.const 64)))
          (local.set $r3 (i32.add (local.get $r3) (i32.const 64)))
          (local.set $q (i32.add (local.get $q) (i32.const 128)))
          (local.set $a0 (i32x4.add (local.get $a0) (i32x4.extadd_pairwise_i16x8_s (local.get $n0))))
          (local.set $a1 (i32x4.add (local.get $a1) (i32x4.extadd_pairwise_i16x8_s (local.get $n1))))
          (local.set $a2 (i32x4.add (local.get $a2) (i32x4.extadd_pairwise_i16x8_s (local.get $n2))))
          (local.set $a3 (i32x4.add (local.get $a3) (i32x4.extadd_pairwise_i16x8_s (local.get $n3))))
          (br_if $widened (i32.lt_u (local.get $q) (local.get $last))))
        (f32.store (local.get $out)
          (call $score (local.get $a0) (local.get $s0) (local.get $scales) (local.get $bias)))
        (f32.store offset=4 (local.get $out)
          (call $score (local.get $a1) (local.get $s1) (local.get $scales) (local.get $bias)))
        (f32.store offset=8 (local.get $out)
          (call $score (local.get $a2) (local.get $s2) (local.get $scales) (local.get $bias)))
        (f32.store offset=12 (local.get $out)
          (call $score (local.get $a3) (local.get $s3) (local.get $scales) (local.get $bias)))
        (local.set $slots (i32.add (local.get $slots) (i32.const 16)))
        (local.set $out (i32.add (local.get $out) (i32.const 16)))
        (br $fourRows)))))
