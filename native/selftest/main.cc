// SPDX-License-Identifier: Apache-2.0
// The self-test as a program of its own, linked statically, for machines on which Node is not at hand: prints a line for each
// kernel. Exit code 0 when no kernel differs from the scalar one, 1 when one does, 2 when memory is short.
#include <cstdio>
#include <vector>

#include "base/isa.h"
#include "selftest/selftest.h"

int main() {
  std::vector<lg::SelfTestLine> lines;
  const lg::Status status = lg::SelfTest(lg::HostCpu(), lg::KernelLists(), &lines);
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.message().c_str());
    return 2;
  }
  bool differs = false;
  for (const lg::SelfTestLine& line : lines) {
    differs = differs || line.health == lg::KernelHealth::differs;
    std::printf("%-12s %-13s %-32s %s\n", line.family, lg::IsaName(line.isa), line.kernel, lg::KernelHealthName(line.health));
  }
  return differs ? 1 : 0;
}
