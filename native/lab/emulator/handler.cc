// SPDX-License-Identifier: Apache-2.0
// The handler runs on behalf of the instruction that stopped the thread, so it may touch what that instruction may: an
// operand on an inaccessible page ends the process with SIGSEGV, here as on a CPU that has the instruction.
#include "lab/emulator/handler.h"

#include "lab/emulator/host.h"

#if LG_EMULATOR

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "lab/emulator/execute.h"

namespace lg::lab {
namespace {

struct sigaction previous;
std::atomic<uint64_t> emulated{0};

// Says what is wrong with the instruction at which the thread stopped.
void Report(const Instruction& in, const Fault& fault, const Context& context) {
  char line[200];
  const char* exception = fault.exception == Exception::undefined ? "#UD" : "#GP";
  const int length = std::snprintf(line, sizeof line, "kernel_lab: %s at %p: %s, %s\n", in.name,
                                   static_cast<const void*>(context.code()), exception, fault.reason);
  if (write(STDERR_FILENO, line, static_cast<size_t>(length)) < 0) return;
}

// False when the thread stopped at an instruction that is not known here, or that raises #UD on any CPU. Those that
// follow on it at once are done as well, since each signal costs microseconds.
bool Emulate(Context* context) {
  if (!context->HasVectors()) return false;
  uint64_t count = 0;
  for (Instruction in; Decode(context->code(), &in); ++count) {
    const Fault fault = Execute(in, context);
    if (fault.exception != Exception::none) Report(in, fault, *context);
    if (fault.exception == Exception::protection) std::abort();
    if (fault.exception == Exception::undefined) return false;
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
