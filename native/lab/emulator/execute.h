// SPDX-License-Identifier: Apache-2.0
// What each instruction does.
#pragma once

#include "lab/emulator/context.h"
#include "lab/emulator/fault.h"

namespace lg::lab {

// Carries `in` out on the thread's registers, its memory and its tiles. After a fault none of them has changed.
Fault Execute(const Instruction& in, Context* context);

}  // namespace lg::lab
