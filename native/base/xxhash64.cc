// SPDX-License-Identifier: Apache-2.0
// Names follow the specification (xxHash fast digest algorithm, version 0.1.1). Words are little endian, as every machine
// is that this is compiled for.
#include "base/xxhash64.h"

#include <cstring>

namespace lg {
namespace {

constexpr uint64_t kPrime1 = 0x9e3779b185ebca87;
constexpr uint64_t kPrime2 = 0xc2b2ae3d27d4eb4f;
constexpr uint64_t kPrime3 = 0x165667b19e3779f9;
constexpr uint64_t kPrime4 = 0x85ebca77c2b2ae63;
constexpr uint64_t kPrime5 = 0x27d4eb2f165667c5;
constexpr size_t kLanes = 4;
constexpr int kConvergence[kLanes] = {1, 7, 12, 18};

uint64_t RotateLeft(uint64_t x, int bits) { return (x << bits) | (x >> (64 - bits)); }

template <typename Word>
uint64_t Load(const uint8_t* data) {
  Word word;
  std::memcpy(&word, data, sizeof word);
  return word;
}

uint64_t Round(uint64_t accumulator, uint64_t lane) { return RotateLeft(accumulator + lane * kPrime2, 31) * kPrime1; }

// Takes as many stripes of 32 bytes as there are.
uint64_t Stripes(const uint8_t* data, size_t stripes) {
  uint64_t accumulators[kLanes] = {kPrime1 + kPrime2, kPrime2, 0, 0 - kPrime1};
  for (; stripes > 0; --stripes, data += kLanes * 8) {
    for (size_t i = 0; i < kLanes; ++i) accumulators[i] = Round(accumulators[i], Load<uint64_t>(data + 8 * i));
  }
  uint64_t hash = 0;
  for (size_t i = 0; i < kLanes; ++i) hash += RotateLeft(accumulators[i], kConvergence[i]);
  for (const uint64_t accumulator : accumulators) hash = (hash ^ Round(0, accumulator)) * kPrime1 + kPrime4;
  return hash;
}

}  // namespace

uint64_t XxHash64(const uint8_t* data, size_t bytes) {
  const uint8_t* const end = data + bytes;
  const size_t stripes = bytes / (kLanes * 8);
  uint64_t hash = (stripes > 0 ? Stripes(data, stripes) : kPrime5) + bytes;
  data += stripes * kLanes * 8;
  for (; end - data >= 8; data += 8) hash = RotateLeft(hash ^ Round(0, Load<uint64_t>(data)), 27) * kPrime1 + kPrime4;
  for (; end - data >= 4; data += 4) hash = RotateLeft(hash ^ (Load<uint32_t>(data) * kPrime1), 23) * kPrime2 + kPrime3;
  for (; data < end; ++data) hash = RotateLeft(hash ^ (*data * kPrime5), 11) * kPrime1;
  hash = (hash ^ (hash >> 33)) * kPrime2;
  hash = (hash ^ (hash >> 29)) * kPrime3;
  return hash ^ (hash >> 32);
}

}  // namespace lg
