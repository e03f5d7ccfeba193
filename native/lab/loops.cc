// SPDX-License-Identifier: Apache-2.0
// The target of each function is named on it rather than by compiler flags, so that one file holds all loops of an
// architecture. The empty asm makes values opaque: without it the compiler takes products out of the loop and finds that
// all chains are one. What the compiler was too old to build kernels for is left out here as well.
#include "lab/loops.h"

#include "base/arch.h"
#include "kernels/math/amx.h"

#if defined(LG_ARCH_X86)
#include <immintrin.h>
#elif defined(LG_ARCH_ARM64)
#include <arm_neon.h>
#endif

namespace lg::lab {
namespace {

// Latency times throughput asks for 8 to 10 chains on x86 and up to 16 on arm64, which has 32 registers.
#if defined(LG_ARCH_ARM64)
constexpr int kChains = 16;
#else
constexpr int kChains = 12;
#endif
constexpr int kMaddChains = 8;  // vpmaddubsw needs room for products; only its additions form a chain

constexpr double Operations(int products, int chains = kChains) { return 2.0 * products * chains; }

#if defined(LG_ARCH_X86)

// vpmaddubsw with the addition in int16; widening to int32, once in many steps, is not counted against it.
__attribute__((target("avx2"))) void Int8Avx2(size_t iterations) {
  __m256i acc[kMaddChains] = {};
  for (__m256i& sum : acc) __asm__("" : "+x"(sum));
  __m256i q = _mm256_set1_epi8(1);
  const __m256i w = _mm256_set1_epi8(2);
  for (size_t i = 0; i < iterations; ++i) {
    LG_UNROLL
    for (int c = 0; c < kMaddChains; ++c) {
      __asm__("" : "+x"(q));
      acc[c] = _mm256_add_epi16(acc[c], _mm256_maddubs_epi16(w, q));
    }
  }
  for (const __m256i& sum : acc) __asm__ volatile("" : : "x"(sum));
}

__attribute__((target("avx2,fma"))) void FloatAvx2(size_t iterations) {
  __m256 acc[kChains] = {};
  for (__m256& sum : acc) __asm__("" : "+x"(sum));
  __m256 x = _mm256_set1_ps(0.5f);
  __asm__("" : "+x"(x));
  for (size_t i = 0; i < iterations; ++i) {
    LG_UNROLL
    for (int c = 0; c < kChains; ++c) acc[c] = _mm256_fmadd_ps(x, x, acc[c]);
  }
  for (const __m256& sum : acc) __asm__ volatile("" : : "x"(sum));
}

__attribute__((target("avx512f,avx512vnni"))) void Int8Avx512Vnni(size_t iterations) {
  __m512i acc[kChains] = {};
  for (__m512i& sum : acc) __asm__("" : "+v"(sum));
  __m512i q = _mm512_set1_epi8(1);
  __asm__("" : "+v"(q));
  for (size_t i = 0; i < iterations; ++i) {
    LG_UNROLL
    for (int c = 0; c < kChains; ++c) acc[c] = _mm512_dpbusd_epi32(acc[c], q, q);
  }
  for (const __m512i& sum : acc) __asm__ volatile("" : : "v"(sum));
}

__attribute__((target("avx512f"))) void FloatAvx512(size_t iterations) {
  __m512 acc[kChains] = {};
  for (__m512& sum : acc) __asm__("" : "+v"(sum));
  __m512 x = _mm512_set1_ps(0.5f);
  __asm__("" : "+v"(x));
  for (size_t i = 0; i < iterations; ++i) {
    LG_UNROLL
    for (int c = 0; c < kChains; ++c) acc[c] = _mm512_fmadd_ps(x, x, acc[c]);
  }
  for (const __m512& sum : acc) __asm__ volatile("" : : "v"(sum));
}

#if defined(LG_HAVE_AVXVNNI)
__attribute__((target("avx2,avxvnni"))) void Int8AvxVnni(size_t iterations) {
  __m256i acc[kChains] = {};
  for (__m256i& sum : acc) __asm__("" : "+x"(sum));
  __m256i q = _mm256_set1_epi8(1);
  __asm__("" : "+x"(q));
  for (size_t i = 0; i < iterations; ++i) {
    LG_UNROLL
    for (int c = 0; c < kChains; ++c) acc[c] = _mm256_dpbusd_avx_epi32(acc[c], q, q);
  }
  for (const __m256i& sum : acc) __asm__ volatile("" : : "x"(sum));
}
#endif

#if defined(LG_HAVE_AMX)
// Six tiles of sums: a product takes 52 cycles and another can start every 16.
constexpr int kTileChains = 6;
__attribute__((target("amx-tile,amx-int8"))) void Int8Amx(size_t iterations) {
  TileConfig config;
  for (int tile = 0; tile < 8; ++tile) {
    config.rows[tile] = 16;
    config.row_bytes[tile] = 64;
  }
  OrderMemory(&config);
  _tile_loadconfig(&config);  // all tiles are zero
  for (size_t i = 0; i < iterations; ++i) {
    _tile_dpbsud(0, 6, 7);
    _tile_dpbsud(1, 6, 7);
    _tile_dpbsud(2, 6, 7);
    _tile_dpbsud(3, 6, 7);
    _tile_dpbsud(4, 6, 7);
    _tile_dpbsud(5, 6, 7);
  }
  _tile_release();
}
#endif

constexpr PeakLoop kPeakLoops[] = {
    {"avx2", "int8", Operations(32, kMaddChains), Int8Avx2},
    {"avx2", "f32", Operations(8), FloatAvx2},
#if defined(LG_HAVE_AVXVNNI)
    {"avxvnni", "int8", Operations(32), Int8AvxVnni},
    {"avxvnni", "f32", Operations(8), FloatAvx2},
#endif
    {"avx512vnni", "int8", Operations(64), Int8Avx512Vnni},
    {"avx512vnni", "f32", Operations(16), FloatAvx512},
#if defined(LG_HAVE_AMX)
    {"amx", "int8", Operations(16 * 16 * 64, kTileChains), Int8Amx},
    {"amx", "f32", Operations(16), FloatAvx512},
#endif
};

#elif defined(LG_ARCH_ARM64)

// smlal: eight products of bytes added in int16, as in Int8Avx2.
void Int8Neon(size_t iterations) {
  int16x8_t acc[kChains] = {};
  for (int16x8_t& sum : acc) __asm__("" : "+w"(sum));
  int8x8_t q = vdup_n_s8(1);
  __asm__("" : "+w"(q));
  for (size_t i = 0; i < iterations; ++i) {
    LG_UNROLL
    for (int c = 0; c < kChains; ++c) acc[c] = vmlal_s8(acc[c], q, q);
  }
  for (const int16x8_t& sum : acc) __asm__ volatile("" : : "w"(sum));
}

void FloatNeon(size_t iterations) {
  float32x4_t acc[kChains] = {};
  for (float32x4_t& sum : acc) __asm__("" : "+w"(sum));
  float32x4_t x = vdupq_n_f32(0.5f);
  __asm__("" : "+w"(x));
  for (size_t i = 0; i < iterations; ++i) {
    LG_UNROLL
    for (int c = 0; c < kChains; ++c) acc[c] = vfmaq_f32(acc[c], x, x);
  }
  for (const float32x4_t& sum : acc) __asm__ volatile("" : : "w"(sum));
}

#if defined(LG_HAVE_NEON_DOTPROD)
__attribute__((target("arch=armv8.2-a+dotprod"))) void Int8NeonDotprod(size_t iterations) {
  int32x4_t acc[kChains] = {};
  for (int32x4_t& sum : acc) __asm__("" : "+w"(sum));
  int8x16_t q = vdupq_n_s8(1);
  __asm__("" : "+w"(q));
  for (size_t i = 0; i < iterations; ++i) {
    LG_UNROLL
    for (int c = 0; c < kChains; ++c) acc[c] = vdotq_s32(acc[c], q, q);
  }
  for (const int32x4_t& sum : acc) __asm__ volatile("" : : "w"(sum));
}
#endif

#if defined(LG_HAVE_NEON_I8MM)
__attribute__((target("arch=armv8.2-a+i8mm"))) void Int8NeonI8mm(size_t iterations) {
  int32x4_t acc[kChains] = {};
  for (int32x4_t& sum : acc) __asm__("" : "+w"(sum));
  int8x16_t q = vdupq_n_s8(1);
  __asm__("" : "+w"(q));
  for (size_t i = 0; i < iterations; ++i) {
    LG_UNROLL
    for (int c = 0; c < kChains; ++c) acc[c] = vmmlaq_s32(acc[c], q, q);
  }
  for (const int32x4_t& sum : acc) __asm__ volatile("" : : "w"(sum));
}
#endif

constexpr PeakLoop kPeakLoops[] = {
    {"neon", "int8", Operations(8), Int8Neon},
    {"neon", "f32", Operations(4), FloatNeon},
#if defined(LG_HAVE_NEON_DOTPROD)
    {"neon_dotprod", "int8", Operations(16), Int8NeonDotprod},
    {"neon_dotprod", "f32", Operations(4), FloatNeon},
#endif
#if defined(LG_HAVE_NEON_I8MM)
    {"neon_i8mm", "int8", Operations(32), Int8NeonI8mm},
    {"neon_i8mm", "f32", Operations(4), FloatNeon},
#endif
};

#endif

}  // namespace

size_t PeakLoops(const PeakLoop** loops) {
#if defined(LG_ARCH_X86) || defined(LG_ARCH_ARM64)
  *loops = kPeakLoops;
  return sizeof kPeakLoops / sizeof kPeakLoops[0];
#else
  *loops = nullptr;
  return 0;
#endif
}

}  // namespace lg::lab
