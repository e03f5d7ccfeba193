// SPDX-License-Identifier: Apache-2.0
// The handler runs on behalf of the instruction that stopped the thread, so it may touch what that instruction may: an
// operand on an inaccessible page ends the process with SIGSEGV, here as on a CPU that has the instruction.
#include "lab/emulator/handler.h"

#include "lab/emulator/host.h"

#if LG_EMULATOR

#include <signal.h>

#include <atomic>
#include <cstring>

#include "lab/emulator/bytes.h"
#include "lab/emulator/context.h"

namespace lg::lab {
namespace {

constexpr int kMostVectorBytes = 32;

struct sigaction previous;
std::atomic<uint64_t> emulated{0};

// reg += unsigned bytes of vvvv * signed bytes of rm, in each dword; sums wrap around.
void Vpdpbusd(const Instruction& in, Context* context) {
  uint8_t sums[kMostVectorBytes], a[kMostVectorBytes], b[kMostVectorBytes];
  context->ReadVector(in.reg, in.vector_bytes, sums);
  context->ReadVector(in.vvvv, in.vector_bytes, a);
  if (in.rm == kNoRegister) {
    std::memcpy(b, context->Resolve(in), static_cast<size_t>(in.vector_bytes));
  } else {
    context->ReadVector(in.rm, in.vector_bytes, b);
  }
  for (int i = 0; i < in.vector_bytes; i += 4) {
    uint32_t sum;
    std::memcpy(&sum, sums + i, sizeof sum);
    sum = AddProducts<uint8_t, int8_t>(sum, a + i, b + i);
    std::memcpy(sums + i, &sum, sizeof sum);
  }
  context->WriteVector(in.reg, in.vector_bytes, sums);
}

// False when the thread did not stop at an instruction that is known here. Those that follow on it at once are done as
// well, since each signal costs microseconds.
bool Emulate(Context* context) {
  if (!context->HasVectors()) return false;
  uint64_t count = 0;
  for (Instruction in; Decode(context->code(), &in); ++count) {
    Vpdpbusd(in, context);
    context->Skip(in.length);
  }
  emulated.fetch_add(count, std::memory_order_relaxed);
  return count > 0;
}

// What happens without the emulator. With no handler before this one, the default action comes back: the instruction
// runs again and ends the process; a signal that another process sent must be sent again.
void PassOn(int signal, siginfo_t* info, void* ucontext) {
  if ((previous.sa_flags & SA_SIGINFO) != 0) return previous.sa_sigaction(signal, info, ucontext);
  if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) return previous.sa_handler(signal);
  sigaction(SIGILL, &previous, nullptr);
  if (info->si_code <= 0) raise(signal);
}

void OnIllegalInstruction(int signal, siginfo_t* info, void* ucontext) {
  Context context(ucontext);
  const bool from_cpu = info->si_code > 0;
  if (!from_cpu || !Emulate(&context)) PassOn(signal, info, ucontext);
}

bool Install() {
  struct sigaction action = {};
  action.sa_sigaction = OnIllegalInstruction;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  return sigaction(SIGILL, &action, &previous) == 0;
}

}  // namespace

bool InstallEmulator() {
  static const bool installed = Install();
  return installed;
}

uint64_t EmulatedInstructions() { return emulated.load(std::memory_order_relaxed); }

}  // namespace lg::lab

#else

namespace lg::lab {

bool InstallEmulator() { return false; }
uint64_t EmulatedInstructions() { return 0; }

}  // namespace lg::lab

#endif
