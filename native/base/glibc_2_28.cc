// SPDX-License-Identifier: Apache-2.0
// Lets a prebuilt addon that was linked on a newer system load where glibc is 2.28. The linker takes the newest version
// of each function, and some have one that is younger although what they do has not changed. The link of the prebuilt
// addon turns each call of `name` into one of `__wrap_name` (--wrap, native/sources.json), in the static C++ library
// as well; tools/check-binary.mjs finds what is missing here.
#include <features.h>

#if !defined(__GLIBC__)
#error "only for glibc"
#endif

#include <pthread.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// The version that a function had when glibc came to the architecture.
#if defined(__x86_64__)
#define LG_FIRST_GLIBC "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define LG_FIRST_GLIBC "GLIBC_2.17"
#endif

#define LG_WRAP(result, name, parameters, arguments)                  \
  result lg_first_##name parameters;                                  \
  __asm__(".symver lg_first_" #name ", " #name "@" LG_FIRST_GLIBC);   \
  result __wrap_##name parameters { return lg_first_##name arguments; }

extern "C" {

// Moved from libpthread to libc in 2.34, and got a new version by that.
using StartRoutine = void* (*)(void*);
using Destructor = void (*)(void*);
LG_WRAP(int, pthread_create, (pthread_t* thread, const pthread_attr_t* attributes, StartRoutine start, void* argument),
        (thread, attributes, start, argument))
LG_WRAP(int, pthread_join, (pthread_t thread, void** result), (thread, result))
LG_WRAP(int, pthread_once, (pthread_once_t* control, void (*routine)()), (control, routine))
LG_WRAP(int, __pthread_key_create, (pthread_key_t* key, Destructor destructor), (key, destructor))

// Inline functions of a header until 2.33. The kernel fills in glibc's own struct on both architectures.
int __wrap_fstat(int file, struct stat* result) { return static_cast<int>(syscall(SYS_fstat, file, result)); }
int __wrap_fstat64(int file, struct stat64* result) { return static_cast<int>(syscall(SYS_fstat, file, result)); }

// From 2.32 on, true while a process has one thread: the C++ library then skips atomic operations. Node has many.
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;

// From 2.35 on, gives the static unwinder its tables. Nothing here catches exceptions: without tables, one that is thrown
// ends the process, which it would do in any case.
struct dl_find_object;
__attribute__((visibility("hidden"))) int _dl_find_object(void*, struct dl_find_object*) { return -1; }

}  // extern "C"
