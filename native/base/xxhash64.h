// SPDX-License-Identifier: Apache-2.0
// The checksum of the weights that are read at load: a damaged file is recognized by it, a forged one is not.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lg {

// XXH64 with seed 0, as its public specification defines it: about as fast as memory is read.
uint64_t XxHash64(const uint8_t* data, size_t bytes);

}  // namespace lg
