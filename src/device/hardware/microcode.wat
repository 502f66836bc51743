;; The microcode: what moves and computes on bytes. microcode.ts is its face, scripts/build-microcode.ts compiles it.
;;
;; Banks are 64-bit memories; offsets and lengths in them arrive as f64, exact for every safe integer, because a BigInt
;; costs more than a small copy. What is not a u64 traps when it is truncated. Control memory is 32-bit.
;;
;; A range is checked against its bank before its first byte is touched: an end that wraps past 2^64 would otherwise
;; stop a loop early and pass for a short copy. After the check, loops advance plain pointers.
(module
  ;; 262144 pages are 16 GiB, the largest memory64 of V8; a maximum accepts every smaller memory.
  (import "env" "source" (memory $source i64 0 262144 shared))
  (import "env" "destination" (memory $destination i64 0 262144 shared))
  ;; Begins with the CRC tables (initCrcTables in microcode.ts).
  (import "env" "control" (memory $control 1 65536 shared))

  ;; Traps as a stray access does, so that every bad range has one name: "memory access out of bounds".
  (func $trap
    (drop (i64.load8_u $source (i64.const -1)))
    unreachable)

  (func $require (param $offset i64) (param $length i64) (param $pages i64)
    (local $size i64)
    (local.set $size (i64.shl (local.get $pages) (i64.const 16)))
    (if (i32.or
          (i64.gt_u (local.get $length) (local.get $size))
          (i64.gt_u (local.get $offset) (i64.sub (local.get $size) (local.get $length))))
      (then (call $trap))))

  (func $requireSource (param $offset i64) (param $length i64)
    (call $require (local.get $offset) (local.get $length) (memory.size $source)))

  (func $requireDestination (param $offset i64) (param $length i64)
    (call $require (local.get $offset) (local.get $length) (memory.size $destination)))

  ;; A descriptor is 24 bytes of control memory: u64 source offset, u64 destination offset, u64 length.
  ;;
  ;; Four small copies of one length run as four interleaved streams: a small copy begins with TLB and cache misses and
  ;; ends before the prefetcher has caught up, and four streams overlap them (4 KiB: 1.5 times the speed of
  ;; memory.copy, bench/microcode.ts). Above 64 KiB one stream is best.
  (func (export "copyBatch") (param $descriptor i32) (param $count i32)
    (local $length i64)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $length (i64.load $control offset=16 (local.get $descriptor)))
        (block $single
          (br_if $single (i32.lt_u (local.get $count) (i32.const 4)))
          (br_if $single (i64.gt_u (i64.sub (local.get $length) (i64.const 1)) (i64.const 65535)))
          (br_if $single (i64.ne (i64.and (local.get $length) (i64.const 63)) (i64.const 0)))
          (br_if $single (i64.ne (i64.load $control offset=40 (local.get $descriptor)) (local.get $length)))
          (br_if $single (i64.ne (i64.load $control offset=64 (local.get $descriptor)) (local.get $length)))
          (br_if $single (i64.ne (i64.load $control offset=88 (local.get $descriptor)) (local.get $length)))
          (call $copyFour
            (i64.load $control offset=0 (local.get $descriptor)) (i64.load $control offset=24 (local.get $descriptor))
            (i64.load $control offset=48 (local.get $descriptor)) (i64.load $control offset=72 (local.get $descriptor))
            (i64.load $control offset=8 (local.get $descriptor)) (i64.load $control offset=32 (local.get $descriptor))
            (i64.load $control offset=56 (local.get $descriptor)) (i64.load $control offset=80 (local.get $descriptor))
            (local.get $length))
          (local.set $descriptor (i32.add (local.get $descriptor) (i32.const 96)))
          (local.set $count (i32.sub (local.get $count) (i32.const 4)))
          (br $next))
        (call $copyOne
          (i64.load $control offset=0 (local.get $descriptor)) (i64.load $control offset=8 (local.get $descriptor))
          (local.get $length))
        (local.set $descriptor (i32.add (local.get $descriptor) (i32.const 24)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next))))

  ;; One stream, 64 bytes a turn; memory.copy does what is left.
  (func $copyOne (param $from i64) (param $to i64) (param $length i64)
    (local $end i64)
    (call $requireSource (local.get $from) (local.get $length))
    (call $requireDestination (local.get $to) (local.get $length))
    (local.set $end (i64.add (local.get $from) (i64.and (local.get $length) (i64.const -64))))
    (block $done
      (loop $next
        (br_if $done (i64.ge_u (local.get $from) (local.get $end)))
        (v128.store $destination offset=0 (local.get $to) (v128.load $source offset=0 (local.get $from)))
        (v128.store $destination offset=16 (local.get $to) (v128.load $source offset=16 (local.get $from)))
        (v128.store $destination offset=32 (local.get $to) (v128.load $source offset=32 (local.get $from)))
        (v128.store $destination offset=48 (local.get $to) (v128.load $source offset=48 (local.get $from)))
        (local.set $to (i64.add (local.get $to) (i64.const 64)))
        (local.set $from (i64.add (local.get $from) (i64.const 64)))
        (br $next)))
    (local.set $length (i64.and (local.get $length) (i64.const 63)))
    ;; The call costs more than a small copy, even for no bytes.
    (if (i64.ne (local.get $length) (i64.const 0))
      (then (memory.copy $destination $source (local.get $to) (local.get $from) (local.get $length)))))

  ;; Four streams of one length, a multiple of 64 and not 0.
  (func $copyFour
    (param $from0 i64) (param $from1 i64) (param $from2 i64) (param $from3 i64)
    (param $to0 i64) (param $to1 i64) (param $to2 i64) (param $to3 i64) (param $length i64)
    (local $end i64)
    (call $requireSource (local.get $from0) (local.get $length))
    (call $requireSource (local.get $from1) (local.get $length))
    (call $requireSource (local.get $from2) (local.get $length))
    (call $requireSource (local.get $from3) (local.get $length))
    (call $requireDestination (local.get $to0) (local.get $length))
    (call $requireDestination (local.get $to1) (local.get $length))
    (call $requireDestination (local.get $to2) (local.get $length))
    (call $requireDestination (local.get $to3) (local.get $length))
    (local.set $end (i64.add (local.get $from0) (local.get $length)))
    (loop $next
      (v128.store $destination offset=0 (local.get $to0) (v128.load $source offset=0 (local.get $from0)))
      (v128.store $destination offset=0 (local.get $to1) (v128.load $source offset=0 (local.get $from1)))
      (v128.store $destination offset=0 (local.get $to2) (v128.load $source offset=0 (local.get $from2)))
      (v128.store $destination offset=0 (local.get $to3) (v128.load $source offset=0 (local.get $from3)))
      (v128.store $destination offset=16 (local.get $to0) (v128.load $source offset=16 (local.get $from0)))
      (v128.store $destination offset=16 (local.get $to1) (v128.load $source offset=16 (local.get $from1)))
      (v128.store $destination offset=16 (local.get $to2) (v128.load $source offset=16 (local.get $from2)))
      (v128.store $destination offset=16 (local.get $to3) (v128.load $source offset=16 (local.get $from3)))
      (v128.store $destination offset=32 (local.get $to0) (v128.load $source offset=32 (local.get $from0)))
      (v128.store $destination offset=32 (local.get $to1) (v128.load $source offset=32 (local.get $from1)))
      (v128.store $destination offset=32 (local.get $to2) (v128.load $source offset=32 (local.get $from2)))
      (v128.store $destination offset=32 (local.get $to3) (v128.load $source offset=32 (local.get $from3)))
      (v128.store $destination offset=48 (local.get $to0) (v128.load $source offset=48 (local.get $from0)))
      (v128.store $destination offset=48 (local.get $to1) (v128.load $source offset=48 (local.get $from1)))
      (v128.store $destination offset=48 (local.get $to2) (v128.load $source offset=48 (local.get $from2)))
      (v128.store $destination offset=48 (local.get $to3) (v128.load $source offset=48 (local.get $from3)))
      (local.set $to0 (i64.add (local.get $to0) (i64.const 64)))
      (local.set $to1 (i64.add (local.get $to1) (i64.const 64)))
      (local.set $to2 (i64.add (local.get $to2) (i64.const 64)))
      (local.set $to3 (i64.add (local.get $to3) (i64.const 64)))
      (local.set $from0 (i64.add (local.get $from0) (i64.const 64)))
      (local.set $from1 (i64.add (local.get $from1) (i64.const 64)))
      (local.set $from2 (i64.add (local.get $from2) (i64.const 64)))
      (local.set $from3 (i64.add (local.get $from3) (i64.const 64)))
      (br_if $next (i64.lt_u (local.get $from0) (local.get $end)))))

  ;; memory.copy behaves as memmove, also when source and destination are one memory under two names.
  (func (export "copyOverlapping") (param $from f64) (param $to f64) (param $length f64)
    (memory.copy $destination $source
      (i64.trunc_f64_u (local.get $to)) (i64.trunc_f64_u (local.get $from)) (i64.trunc_f64_u (local.get $length))))

  ;; Repeats the pattern from the offset on, lowest byte first; the last repetition may be cut short. Four equal bytes
  ;; are one memory.fill: beyond the size of the L3 cache the processor then stops reading what it overwrites.
  (func (export "fill") (param $offset f64) (param $length f64) (param $pattern i32)
    (local $at i64) (local $bytes i64) (local $end i64) (local $vector v128)
    (local.set $at (i64.trunc_f64_u (local.get $offset)))
    (local.set $bytes (i64.trunc_f64_u (local.get $length)))
    (if (i32.eq (local.get $pattern) (i32.rotl (local.get $pattern) (i32.const 8)))
      (then
        (memory.fill $destination (local.get $at) (local.get $pattern) (local.get $bytes))
        return))
    (call $requireDestination (local.get $at) (local.get $bytes))
    (local.set $vector (i32x4.splat (local.get $pattern)))
    (local.set $end (i64.add (local.get $at) (i64.and (local.get $bytes) (i64.const -64))))
    (block $done
      (loop $next
        (br_if $done (i64.ge_u (local.get $at) (local.get $end)))
        (v128.store $destination offset=0 (local.get $at) (local.get $vector))
        (v128.store $destination offset=16 (local.get $at) (local.get $vector))
        (v128.store $destination offset=32 (local.get $at) (local.get $vector))
        (v128.store $destination offset=48 (local.get $at) (local.get $vector))
        (local.set $at (i64.add (local.get $at) (i64.const 64)))
        (br $next)))
    ;; The rest goes byte by byte; the rotation brings the pattern's next byte down.
    (local.set $end (i64.add (local.get $at) (i64.and (local.get $bytes) (i64.const 63))))
    (block $done
      (loop $next
        (br_if $done (i64.ge_u (local.get $at) (local.get $end)))
        (i32.store8 $destination (local.get $at) (local.get $pattern))
        (local.set $pattern (i32.rotr (local.get $pattern) (i32.const 8)))
        (local.set $at (i64.add (local.get $at) (i64.const 1)))
        (br $next))))

  ;; A length that is not whole dwords is a broken command: it traps rather than leave a tail untouched.
  (func $requireDwords (param $offset i64) (param $length i64)
    (call $requireDestination (local.get $offset) (local.get $length))
    (if (i64.ne (i64.and (local.get $length) (i64.const 3)) (i64.const 0)) (then (call $trap))))

  (func (export "addRange") (param $offset f64) (param $length f64) (param $value i32)
    (local $at i64) (local $bytes i64) (local $end i64) (local $vector v128)
    (local.set $at (i64.trunc_f64_u (local.get $offset)))
    (local.set $bytes (i64.trunc_f64_u (local.get $length)))
    (call $requireDwords (local.get $at) (local.get $bytes))
    (local.set $vector (i32x4.splat (local.get $value)))
    (local.set $end (i64.add (local.get $at) (i64.and (local.get $bytes) (i64.const -32))))
    (block $done
      (loop $next
        (br_if $done (i64.ge_u (local.get $at) (local.get $end)))
        (v128.store $destination offset=0 (local.get $at)
          (i32x4.add (v128.load $destination offset=0 (local.get $at)) (local.get $vector)))
        (v128.store $destination offset=16 (local.get $at)
          (i32x4.add (v128.load $destination offset=16 (local.get $at)) (local.get $vector)))
        (local.set $at (i64.add (local.get $at) (i64.const 32)))
        (br $next)))
    (local.set $end (i64.add (local.get $at) (i64.and (local.get $bytes) (i64.const 31))))
    (block $done
      (loop $next
        (br_if $done (i64.ge_u (local.get $at) (local.get $end)))
        (i32.store $destination (local.get $at)
          (i32.add (i32.load $destination (local.get $at)) (local.get $value)))
        (local.set $at (i64.add (local.get $at) (i64.const 4)))
        (br $next))))

  (func (export "xorRange") (param $offset f64) (param $length f64) (param $value i32)
    (local $at i64) (local $bytes i64) (local $end i64) (local $vector v128)
    (local.set $at (i64.trunc_f64_u (local.get $offset)))
    (local.set $bytes (i64.trunc_f64_u (local.get $length)))
    (call $requireDwords (local.get $at) (local.get $bytes))
    (local.set $vector (i32x4.splat (local.get $value)))
    (local.set $end (i64.add (local.get $at) (i64.and (local.get $bytes) (i64.const -32))))
    (block $done
      (loop $next
        (br_if $done (i64.ge_u (local.get $at) (local.get $end)))
        (v128.store $destination offset=0 (local.get $at)
          (v128.xor (v128.load $destination offset=0 (local.get $at)) (local.get $vector)))
        (v128.store $destination offset=16 (local.get $at)
          (v128.xor (v128.load $destination offset=16 (local.get $at)) (local.get $vector)))
        (local.set $at (i64.add (local.get $at) (i64.const 32)))
        (br $next)))
    (local.set $end (i64.add (local.get $at) (i64.and (local.get $bytes) (i64.const 31))))
    (block $done
      (loop $next
        (br_if $done (i64.ge_u (local.get $at) (local.get $end)))
        (i32.store $destination (local.get $at)
          (i32.xor (i32.load $destination (local.get $at)) (local.get $value)))
        (local.set $at (i64.add (local.get $at) (i64.const 4)))
        (br $next))))

  ;; How many bytes of the range are 0 before the first that is not: whole blocks of 64 bytes of it, single bytes only in
  ;; what is left after these. One call over many frames is a fifth faster than one for each.
  (func (export "countZeroes") (param $offset f64) (param $length f64) (result f64)
    (local $start i64) (local $at i64) (local $bytes i64) (local $end i64)
    (local.set $start (i64.trunc_f64_u (local.get $offset)))
    (local.set $bytes (i64.trunc_f64_u (local.get $length)))
    (call $requireSource (local.get $start) (local.get $bytes))
    (local.set $at (local.get $start))
    (local.set $end (i64.add (local.get $at) (i64.and (local.get $bytes) (i64.const -64))))
    (block $found
      (block $done
        (loop $next
          (br_if $done (i64.ge_u (local.get $at) (local.get $end)))
          (br_if $found (v128.any_true
            (v128.or
              (v128.or (v128.load $source offset=0 (local.get $at)) (v128.load $source offset=16 (local.get $at)))
              (v128.or (v128.load $source offset=32 (local.get $at)) (v128.load $source offset=48 (local.get $at))))))
          (local.set $at (i64.add (local.get $at) (i64.const 64)))
          (br $next)))
      (local.set $end (i64.add (local.get $at) (i64.and (local.get $bytes) (i64.const 63))))
      (loop $next
        (br_if $found (i64.ge_u (local.get $at) (local.get $end)))
        (br_if $found (i32.load8_u $source (local.get $at)))
        (local.set $at (i64.add (local.get $at) (i64.const 1)))
        (br $next)))
    (f64.convert_i64_u (i64.sub (local.get $at) (local.get $start))))

  ;; CRC-32C. From 256 bytes on, a range is first folded to 128 bytes that have the same CRC; the tables finish those.
  (func (export "crc32c") (param $offset f64) (param $length f64) (param $seed i32) (result i32)
    (local $at i64) (local $end i64) (local $crc i32)
    (local.set $at (i64.trunc_f64_u (local.get $offset)))
    (local.set $end (i64.trunc_f64_u (local.get $length)))
    (call $requireSource (local.get $at) (local.get $end))
    (local.set $end (i64.add (local.get $at) (local.get $end)))
    (local.set $crc (i32.xor (local.get $seed) (i32.const -1)))
    (if (i64.ge_u (i64.sub (local.get $end) (local.get $at)) (i64.const 256))
      (then
        (local.set $crc (call $crcFold (local.get $at) (local.get $end) (local.get $crc)))
        (local.set $at (i64.sub (local.get $end) (i64.and (i64.sub (local.get $end) (local.get $at)) (i64.const 31))))))
    (block $done
      (loop $next
        (br_if $done (i64.lt_u (i64.sub (local.get $end) (local.get $at)) (i64.const 16)))
        (local.set $crc (call $crcVector (local.get $crc) (v128.load $source (local.get $at))))
        (local.set $at (i64.add (local.get $at) (i64.const 16)))
        (br $next)))
    (block $done
      (loop $next
        (br_if $done (i64.ge_u (local.get $at) (local.get $end)))
        (local.set $crc
          (i32.xor
            (i32.shr_u (local.get $crc) (i32.const 8))
            (i32.load $control
              (i32.and
                (i32.shl (i32.xor (local.get $crc) (i32.load8_u $source (local.get $at))) (i32.const 2))
                (i32.const 0x3fc)))))
        (local.set $at (i64.add (local.get $at) (i64.const 1)))
        (br $next)))
    (i32.xor (local.get $crc) (i32.const -1)))

  ;; The register after the whole 32-byte steps of the range, of which there are at least five.
  ;;
  ;; Bytes 32 apart form a column: a polynomial in y = x^256 whose coefficients are bytes. Modulo the CRC's polynomial
  ;; b*y^4 = t3(b)*y^3 + t2(b)*y^2 + t1(b)*y + t0(b), where each tk is a linear map of bytes: there are such maps because
  ;; the 32 products of 1..x^7 with 1..y^3 are a basis of the remainders (16 bytes apart they are not). So the first
  ;; byte of a column may be dropped when its tk are added to the next four. 32 columns, chains a and b of sixteen, are
  ;; worked side by side: a linear map of a byte is two look-ups of 4 bits, and a swizzle is sixteen look-ups.
  ;; $lowK and $highK are tk of the low and of the high 4 bits: the solution of 32 linear equations (microcode.test.ts).
  ;;
  ;; The relaxed swizzle equals the strict one for indices below 16 and saves x86 an instruction. Measured over 1 MiB
  ;; on a Zen 4, in GB/s: 8.0; with the strict swizzle 4.2; by tables alone 2.0; @node-rs/crc32, native, 5.7.
  (func $crcFold (param $at i64) (param $end i64) (param $crc i32) (result i32)
    (local $a0 v128) (local $a1 v128) (local $a2 v128) (local $a3 v128)
    (local $b0 v128) (local $b1 v128) (local $b2 v128) (local $b3 v128)
    (local $low v128) (local $low0 v128) (local $low1 v128) (local $low2 v128) (local $low3 v128)
    (local $high v128) (local $high0 v128) (local $high1 v128) (local $high2 v128) (local $high3 v128)
    (local $nibble v128)
    (local.set $nibble (i8x16.splat (i32.const 0x0f)))
    ;; In locals: V8 builds a constant that stands inside a loop anew in every turn.
    (local.set $low0 (v128.const i8x16
      0x00 0x46 0x8d 0xcb 0xf2 0xb4 0x7f 0x39 0x9e 0xd8 0x13 0x55 0x6c 0x2a 0xe1 0xa7))
    (local.set $low1 (v128.const i8x16
      0x00 0xbe 0x4f 0xf1 0xfa 0x44 0xb5 0x0b 0x10 0xae 0x5f 0xe1 0xea 0x54 0xa5 0x1b))
    (local.set $low2 (v128.const i8x16
      0x00 0xda 0xd7 0x0d 0xbb 0x61 0x6c 0xb6 0x38 0xe2 0xef 0x35 0x83 0x59 0x54 0x8e))
    (local.set $low3 (v128.const i8x16
      0x00 0x51 0xbb 0xea 0x4b 0x1a 0xf0 0xa1 0x87 0xd6 0x3c 0x6d 0xcc 0x9d 0x77 0x26))
    (local.set $high0 (v128.const i8x16
      0x00 0x4b 0x05 0x4e 0x0b 0x40 0x0e 0x45 0x89 0xc2 0x8c 0xc7 0x82 0xc9 0x87 0xcc))
    (local.set $high1 (v128.const i8x16
      0x00 0x1c 0x8b 0x97 0x25 0x39 0xae 0xb2 0x12 0x0e 0x99 0x85 0x37 0x2b 0xbc 0xa0))
    (local.set $high2 (v128.const i8x16
      0x00 0xe9 0xea 0x03 0xb7 0x5e 0x5d 0xb4 0xe2 0x0b 0x08 0xe1 0x55 0xbc 0xbf 0x56))
    (local.set $high3 (v128.const i8x16
      0x00 0x80 0x35 0xb5 0x73 0xf3 0x46 0xc6 0x55 0xd5 0x60 0xe0 0x26 0xa6 0x13 0x93))
    (local.set $a3
      (v128.xor
        (v128.load $source offset=0 (local.get $at))
        (i32x4.replace_lane 0 (v128.const i64x2 0 0) (local.get $crc))))
    (local.set $b3 (v128.load $source offset=16 (local.get $at)))
    (local.set $a2 (v128.load $source offset=32 (local.get $at)))
    (local.set $b2 (v128.load $source offset=48 (local.get $at)))
    (local.set $a1 (v128.load $source offset=64 (local.get $at)))
    (local.set $b1 (v128.load $source offset=80 (local.get $at)))
    (local.set $a0 (v128.load $source offset=96 (local.get $at)))
    (local.set $b0 (v128.load $source offset=112 (local.get $at)))
    (local.set $at (i64.add (local.get $at) (i64.const 128)))
    (loop $next
      (local.set $low (v128.and (local.get $a3) (local.get $nibble)))
      (local.set $high (v128.and (i16x8.shr_u (local.get $a3) (i32.const 4)) (local.get $nibble)))
      (local.set $a3 (v128.xor
        (v128.xor (local.get $a2) (i8x16.relaxed_swizzle (local.get $low3) (local.get $low)))
        (i8x16.relaxed_swizzle (local.get $high3) (local.get $high))))
      (local.set $a2 (v128.xor
        (v128.xor (local.get $a1) (i8x16.relaxed_swizzle (local.get $low2) (local.get $low)))
        (i8x16.relaxed_swizzle (local.get $high2) (local.get $high))))
      (local.set $a1 (v128.xor
        (v128.xor (local.get $a0) (i8x16.relaxed_swizzle (local.get $low1) (local.get $low)))
        (i8x16.relaxed_swizzle (local.get $high1) (local.get $high))))
      (local.set $a0 (v128.xor
        (v128.xor
          (v128.load $source offset=0 (local.get $at))
          (i8x16.relaxed_swizzle (local.get $low0) (local.get $low)))
        (i8x16.relaxed_swizzle (local.get $high0) (local.get $high))))
      (local.set $low (v128.and (local.get $b3) (local.get $nibble)))
      (local.set $high (v128.and (i16x8.shr_u (local.get $b3) (i32.const 4)) (local.get $nibble)))
      (local.set $b3 (v128.xor
        (v128.xor (local.get $b2) (i8x16.relaxed_swizzle (local.get $low3) (local.get $low)))
        (i8x16.relaxed_swizzle (local.get $high3) (local.get $high))))
      (local.set $b2 (v128.xor
        (v128.xor (local.get $b1) (i8x16.relaxed_swizzle (local.get $low2) (local.get $low)))
        (i8x16.relaxed_swizzle (local.get $high2) (local.get $high))))
      (local.set $b1 (v128.xor
        (v128.xor (local.get $b0) (i8x16.relaxed_swizzle (local.get $low1) (local.get $low)))
        (i8x16.relaxed_swizzle (local.get $high1) (local.get $high))))
      (local.set $b0 (v128.xor
        (v128.xor
          (v128.load $source offset=16 (local.get $at))
          (i8x16.relaxed_swizzle (local.get $low0) (local.get $low)))
        (i8x16.relaxed_swizzle (local.get $high0) (local.get $high))))
      (local.set $at (i64.add (local.get $at) (i64.const 32)))
      (br_if $next (i64.ge_u (i64.sub (local.get $end) (local.get $at)) (i64.const 32))))
    (local.set $crc (call $crcVector (i32.const 0) (local.get $a3)))
    (local.set $crc (call $crcVector (local.get $crc) (local.get $b3)))
    (local.set $crc (call $crcVector (local.get $crc) (local.get $a2)))
    (local.set $crc (call $crcVector (local.get $crc) (local.get $b2)))
    (local.set $crc (call $crcVector (local.get $crc) (local.get $a1)))
    (local.set $crc (call $crcVector (local.get $crc) (local.get $b1)))
    (local.set $crc (call $crcVector (local.get $crc) (local.get $a0)))
    (call $crcVector (local.get $crc) (local.get $b0)))

  ;; The register sixteen bytes later (slicing by 16): table k, 1 KiB at k KiB, is a byte's effect k bytes after it.
  (func $crcVector (param $crc i32) (param $vector v128) (result i32)
    (i32.xor
      (i32.xor
        (call $crcWord (i32.const 12288) (i32.xor (local.get $crc) (i32x4.extract_lane 0 (local.get $vector))))
        (call $crcWord (i32.const 8192) (i32x4.extract_lane 1 (local.get $vector))))
      (i32.xor
        (call $crcWord (i32.const 4096) (i32x4.extract_lane 2 (local.get $vector)))
        (call $crcWord (i32.const 0) (i32x4.extract_lane 3 (local.get $vector))))))

  (func $crcWord (param $table i32) (param $word i32) (result i32)
    (i32.xor
      (i32.xor
        (i32.load $control offset=3072
          (i32.add (local.get $table) (i32.and (i32.shl (local.get $word) (i32.const 2)) (i32.const 0x3fc))))
        (i32.load $control offset=2048
          (i32.add (local.get $table) (i32.and (i32.shr_u (local.get $word) (i32.const 6)) (i32.const 0x3fc)))))
      (i32.xor
        (i32.load $control offset=1024
          (i32.add (local.get $table) (i32.and (i32.shr_u (local.get $word) (i32.const 14)) (i32.const 0x3fc))))
        (i32.load $control offset=0
          (i32.add (local.get $table) (i32.and (i32.shr_u (local.get $word) (i32.const 22)) (i32.const 0x3fc))))))))
