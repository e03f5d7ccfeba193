// SPDX-License-Identifier: Apache-2.0
// LG_EMULATOR: defined where the emulator can work, which is Linux (and Android) on x86-64. Elsewhere its files are empty.
#pragma once

#include "base/arch.h"

#if LG_ARCH_X86 && defined(__linux__)
#define LG_EMULATOR 1
#endif
