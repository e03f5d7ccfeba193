// SPDX-License-Identifier: Apache-2.0
// The fastest pass counts: whatever disturbs a pass makes it slower, never faster. The target of each loop is named on it, so
// that this file is compiled for the oldest CPU of the architecture.
#include "runtime/read_bandwidth.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/arch.h"
#include "base/cpu_features.h"
#include "runtime/thread_pool.h"

#if defined(LG_ARCH_X86)
#include <immintrin.h>
#endif

namespace lg {
namespace {

constexpr size_t kLeastPassBytes = 1 << 26;  // of one thread: 1 ms and more
constexpr size_t kWordStep = 64;             // of ReadWords

// What a read asks for, `ahead` words before it loads them: the first eight lines of each stretch of `every` words (a power
// of two, at least 64), or nothing where `every` is 0: that leaves it to the CPU.
struct Prefetching {
  size_t ahead, every;
};

// None is best in near caches. In memory a CPU differs from the next: none, every line, 2 or 4 KiB ahead, or eight lines of
// each page, since a CPU's own prefetchers stop at its end.
constexpr Prefetching kPrefetchings[] = {{0, 0}, {256, 64}, {512, 64}, {256, 512}};

// While Lines cache lines are loaded at words[i], asks for as many ahead of them, where the pattern has them. An address
// behind the end does no harm.
template <int Lines>
LG_ALWAYS_INLINE void Prefetch(const uint64_t* words, size_t i, const Prefetching& p) {
  if (p.every == 0 || ((i + p.ahead) & (p.every - 1)) >= 64) return;
  LG_UNROLL
  for (int line = 0; line < Lines; ++line) __builtin_prefetch(words + i + p.ahead + 8 * line);
}

#if defined(LG_ARCH_X86)
__attribute__((target("avx2"))) uint64_t ReadAvx2(const uint64_t* words, size_t count, const Prefetching& p) {
  __m256i sums[8] = {};
  for (size_t i = 0; i < count; i += 32) {
    Prefetch<4>(words, i, p);
    LG_UNROLL
    for (int j = 0; j < 8; ++j) {
      sums[j] = _mm256_add_epi64(sums[j], _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words + i + 4 * j)));
    }
  }
  uint64_t lanes[4], sum = 0;
  for (const __m256i& part : sums) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), part);
    for (const uint64_t lane : lanes) sum += lane;
  }
  return sum;
}

__attribute__((target("avx512f"))) uint64_t ReadAvx512(const uint64_t* words, size_t count, const Prefetching& p) {
  __m512i sums[8] = {};
  for (size_t i = 0; i < count; i += 64) {
    Prefetch<8>(words, i, p);
    LG_UNROLL
    for (int j = 0; j < 8; ++j) sums[j] = _mm512_add_epi64(sums[j], _mm512_loadu_si512(words + i + 8 * j));
  }
  uint64_t lanes[8], sum = 0;
  for (const __m512i& part : sums) {
    _mm512_storeu_si512(lanes, part);
    for (const uint64_t lane : lanes) sum += lane;
  }
  return sum;
}
#endif

// What the compiler makes of it with the architecture's oldest instruction set.
uint64_t ReadPlain(const uint64_t* words, size_t count, const Prefetching& p) {
  uint64_t sums[16] = {};
  for (size_t i = 0; i < count; i += 16) {
    Prefetch<2>(words, i, p);
    for (size_t j = 0; j < 16; ++j) sums[j] += words[i + j];
  }
  uint64_t sum = 0;
  for (const uint64_t part : sums) sum += part;
  return sum;
}

// With the widest loads of this CPU. The sum keeps the reads from being left out.
uint64_t ReadWords(const uint64_t* words, size_t count, const Prefetching& p) {
#if defined(LG_ARCH_X86)
  if (HostCpu().avx512) return ReadAvx512(words, count, p);
  if (HostCpu().avx2) return ReadAvx2(words, count, p);
#endif
  return ReadPlain(words, count, p);
}

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

double ReadBandwidth(size_t bytes, size_t threads, size_t passes) {
  ThreadPool pool({threads, {}});
  const size_t part_count = pool.threads(), words = (bytes / sizeof(uint64_t) / part_count / kWordStep + 1) * kWordStep;
  const size_t part_bytes = words * sizeof(uint64_t), repeats = (kLeastPassBytes + part_bytes - 1) / part_bytes;
  std::vector<AlignedBuffer<uint64_t>> parts(part_count);
  for (auto& part : parts) {
    if (!part.Allocate(words)) return 0.0;
  }
  // The thread that most likely reads a part writes it first, so that its pages lie near.
  pool.Run(part_count, [&](size_t t, size_t) {
    for (size_t i = 0; i < words; ++i) parts[t][i] = i;
  });
  std::atomic<uint64_t> total{0};  // keeps the sums from being left out
  double best = 0.0;
  for (const Prefetching& prefetching : kPrefetchings) {
    for (size_t pass = 0; pass < passes; ++pass) {
      const auto start = std::chrono::steady_clock::now();
      pool.Run(part_count, [&](size_t t, size_t) {
        uint64_t sum = 0;
        for (size_t i = 0; i < repeats; ++i) sum += ReadWords(parts[t].data(), words, prefetching);
        total += sum;
      });
      best = std::max(best, static_cast<double>(part_bytes * repeats * part_count) / SecondsSince(start));
    }
  }
  return best;
}

}  // namespace lg
