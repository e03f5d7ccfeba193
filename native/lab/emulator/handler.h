// SPDX-License-Identifier: Apache-2.0
// Runs instructions that the CPU lacks. Such an instruction stops its thread with SIGILL; the handler does what the
// instruction would have done, on the thread's registers and its memory, and lets the thread go on behind it.
#pragma once

#include <cstdint>

namespace lg::lab {

// From now on the whole process can run them; further calls change nothing. False when the handler cannot be installed.
bool InstallEmulator();
// Instructions that were emulated so far, in all threads.
uint64_t EmulatedInstructions();

}  // namespace lg::lab
