// SPDX-License-Identifier: Apache-2.0
// Each thread sums its own part, which it wrote first, so that the pages lie near it.
#include "lab/bandwidth.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "base/aligned_buffer.h"

namespace lg::lab {
namespace {

// Eight chains, so that the additions do not limit a thread that reads from near memory.
uint64_t Sum(const uint64_t* words, size_t count) {
  uint64_t sums[8] = {};
  for (size_t i = 0; i + 8 <= count; i += 8) {
    for (size_t j = 0; j < 8; ++j) sums[j] += words[i + j];
  }
  uint64_t sum = 0;
  for (const uint64_t part : sums) sum += part;
  return sum;
}

}  // namespace

double ReadBandwidth(const BandwidthArgs& a) {
  const size_t words = a.bytes / sizeof(uint64_t) / a.threads / 8 * 8;
  std::vector<AlignedBuffer<uint64_t>> parts(a.threads);
  for (auto& part : parts) {
    if (!part.Allocate(words)) return 0.0;
  }
  std::atomic<uint64_t> total{0};  // keeps the sums from being left out
  const auto on_all = [&](auto work) {
    std::vector<std::thread> others;
    for (size_t t = 1; t < a.threads; ++t) others.emplace_back(work, t);
    work(0);
    for (std::thread& other : others) other.join();
  };
  on_all([&](size_t t) {
    for (size_t i = 0; i < words; ++i) parts[t][i] = i;
  });
  double fastest = 0.0;
  for (size_t pass = 0; pass < a.passes; ++pass) {
    const auto start = std::chrono::steady_clock::now();
    on_all([&](size_t t) { total += Sum(parts[t].data(), words); });
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    const double rate = static_cast<double>(words * sizeof(uint64_t) * a.threads) / seconds.count();
    fastest = rate > fastest ? rate : fastest;
  }
  return fastest;
}

}  // namespace lg::lab
