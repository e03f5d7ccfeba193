# SPDX-License-Identifier: Apache-2.0
# Build for 64-bit ARM Android with the system's own clang and lld, against a copy of Android's C library: what the NDK
# has in toolchains/llvm/prebuilt/*/sysroot. LG_SYSROOT is that folder, LG_CLANG the compiler.
set(CMAKE_SYSTEM_NAME Android)
# Tells CMake not to look for an NDK of its own accord.
set(CMAKE_SYSTEM_VERSION 1)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_SYSROOT ${LG_SYSROOT})
set(CMAKE_CXX_COMPILER ${LG_CLANG})
set(CMAKE_CXX_COMPILER_TARGET aarch64-linux-android24)
# Atomic operations in place, not by calls of the compiler's own library, which a system's clang lacks for Android.
set(CMAKE_CXX_FLAGS_INIT "-stdlib=libc++ -mno-outline-atomics")
set(CMAKE_MODULE_LINKER_FLAGS_INIT "-fuse-ld=lld -nodefaultlibs")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-fuse-ld=lld -nodefaultlibs")
# The NDK keeps the unwinder beside its compiler; it may be copied into the sysroot.
if(EXISTS ${LG_SYSROOT}/usr/lib/aarch64-linux-android/libunwind.a)
  set(unwinder -lunwind)
endif()
set(CMAKE_CXX_STANDARD_LIBRARIES "-lc++_static -lc++abi ${unwinder} -lm -ldl -lc")
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES LG_SYSROOT LG_CLANG)
