// SPDX-License-Identifier: Apache-2.0
// How a family turns its kernels.inc into declarations and a table, and how the table is searched.
// LG_KERNEL(isa, name) is one line of a kernels.inc; LG_IF_<isa> keeps lines whose files were not compiled out of tables.
#pragma once

#include <cstddef>

#include "base/isa.h"

#define LG_IF_scalar(...) __VA_ARGS__
#if defined(LG_HAVE_AVX2)
#define LG_IF_avx2(...) __VA_ARGS__
#else
#define LG_IF_avx2(...)
#endif
#if defined(LG_HAVE_AVXVNNI)
#define LG_IF_avxvnni(...) __VA_ARGS__
#else
#define LG_IF_avxvnni(...)
#endif
#if defined(LG_HAVE_AVX512VNNI)
#define LG_IF_avx512vnni(...) __VA_ARGS__
#else
#define LG_IF_avx512vnni(...)
#endif
#if defined(LG_HAVE_AMX)
#define LG_IF_amx(...) __VA_ARGS__
#else
#define LG_IF_amx(...)
#endif
#if defined(LG_HAVE_NEON)
#define LG_IF_neon(...) __VA_ARGS__
#else
#define LG_IF_neon(...)
#endif
#if defined(LG_HAVE_NEON_DOTPROD)
#define LG_IF_neon_dotprod(...) __VA_ARGS__
#else
#define LG_IF_neon_dotprod(...)
#endif
#if defined(LG_HAVE_NEON_I8MM)
#define LG_IF_neon_i8mm(...) __VA_ARGS__
#else
#define LG_IF_neon_i8mm(...)
#endif

namespace lg {

template <typename Fn>
struct Kernel {
  const char* name;
  Isa isa;
  Fn* run;
  size_t min_rows;  // fewest rows that the kernel is meant for. Correct for any number.
};

template <typename Fn>
struct KernelList {
  const Kernel<Fn>* kernels;
  size_t count;
};

// The last line that `active` covers and that is meant for `rows`. Lines stand in kernels.inc from narrow to wide
// instruction sets, and in each from few rows to many. Every family has a scalar line for one row and more.
template <typename Fn>
const Kernel<Fn>& SelectKernel(KernelList<Fn> list, Isa active, size_t rows) {
  const Kernel<Fn>* best = list.kernels;
  for (size_t i = 1; i < list.count; ++i) {
    const Kernel<Fn>& candidate = list.kernels[i];
    if (IsaCovers(active, candidate.isa) && rows >= candidate.min_rows) best = &candidate;
  }
  return *best;
}

}  // namespace lg
