// SPDX-License-Identifier: Apache-2.0
// The exceptions of instructions.
#pragma once

#include <cstdint>

namespace lg::lab {

enum class Exception : uint8_t {
  none,
  undefined,   // #UD, which Linux makes SIGILL of
  protection,  // #GP
};

struct Fault {
  Exception exception = Exception::none;
  const char* reason = nullptr;
};

}  // namespace lg::lab
