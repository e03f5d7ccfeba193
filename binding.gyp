# SPDX-License-Identifier: Apache-2.0
# The build by node-gyp. Files and flags come from native/sources.json, which CMakeLists.txt reads as well.
# An instruction set has a static library of its own, because gyp gives flags to targets, not to files.
{
  "variables": {
    # Termux's node-gyp expects this to be defined.
    "android_ndk_path%": "",
    "lg_avx2%": "<!(node tools/sources.mjs count avx2 <(target_arch))",
    "lg_avxvnni%": "<!(node tools/sources.mjs count avxvnni <(target_arch))",
    "lg_avx512vnni%": "<!(node tools/sources.mjs count avx512vnni <(target_arch))",
    "lg_amx%": "<!(node tools/sources.mjs count amx <(target_arch))",
    "lg_neon%": "<!(node tools/sources.mjs count neon <(target_arch))",
    "lg_neon_dotprod%": "<!(node tools/sources.mjs count neon_dotprod <(target_arch))",
    "lg_neon_i8mm%": "<!(node tools/sources.mjs count neon_i8mm <(target_arch))",
  },
  "target_defaults": {
    "include_dirs": ["native", "<!(node -p \"require('node-addon-api').include_dir\")"],
    "defines": [
      "NAPI_VERSION=8",
      "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS",
      # A worker thread that is being terminated takes no exception; without this the whole process would end.
      "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS",
      "<!@(node tools/sources.mjs isa-defines <(target_arch))",
    ],
    "cflags_cc": [
      "<!@(node tools/sources.mjs flags)",
      "<!@(node tools/sources.mjs sanitize)",
    ],
    # Node's own choice of standard stands behind ours and would win.
    "cflags_cc/": [["exclude", "^-std=gnu"]],
    "ldflags": [
      "-pthread",
      "-Wl,--version-script=<(module_root_dir)/native/exports.map",
      "<!@(node tools/sources.mjs sanitize)",
    ],
    "xcode_settings": {
      "MACOSX_DEPLOYMENT_TARGET": "11.0",
      "CLANG_CXX_LANGUAGE_STANDARD": "c++17",
      "OTHER_CPLUSPLUSFLAGS": [
        "<!@(node tools/sources.mjs flags)",
        "<!@(node tools/sources.mjs sanitize)",
      ],
    },
    "conditions": [
      ["'<!(node tools/sources.mjs sanitize)'==''", {"defines": ["NDEBUG"]}],
    ],
  },
  "targets": [
    {
      "target_name": "lg_core",
      "type": "static_library",
      "sources": ["<!@(node tools/sources.mjs core)"],
    },
    {
      "target_name": "lg_kernels",
      "type": "none",
      "dependencies": ["lg_core"],
      "conditions": [
        ["lg_avx2>0", {"dependencies": ["lg_avx2"]}],
        ["lg_avxvnni>0", {"dependencies": ["lg_avxvnni"]}],
        ["lg_avx512vnni>0", {"dependencies": ["lg_avx512vnni"]}],
        ["lg_amx>0", {"dependencies": ["lg_amx"]}],
        ["lg_neon>0", {"dependencies": ["lg_neon"]}],
        ["lg_neon_dotprod>0", {"dependencies": ["lg_neon_dotprod"]}],
        ["lg_neon_i8mm>0", {"dependencies": ["lg_neon_i8mm"]}],
      ],
    },
    {
      "target_name": "llama_guard",
      "sources": ["<!@(node tools/sources.mjs addon)"],
      "dependencies": ["lg_kernels"],
    },
  ],
  "conditions": [
    # For the repository's tests; the package does not bring its files along.
    ["'<!(node tools/sources.mjs lab)'!=''", {
      "targets": [{
        "target_name": "kernel_lab",
        "sources": ["<!@(node tools/sources.mjs lab)"],
        "dependencies": ["lg_kernels"],
      }],
    }],
    ["lg_avx2>0", {
      "targets": [{
        "target_name": "lg_avx2",
        "type": "static_library",
        "sources": ["<!@(node tools/sources.mjs isa avx2 <(target_arch))"],
        "cflags_cc": ["<!@(node tools/sources.mjs isa-flags avx2)"],
        "xcode_settings": {"OTHER_CPLUSPLUSFLAGS": ["<!@(node tools/sources.mjs isa-flags avx2)"]},
      }],
    }],
    ["lg_avxvnni>0", {
      "targets": [{
        "target_name": "lg_avxvnni",
        "type": "static_library",
        "sources": ["<!@(node tools/sources.mjs isa avxvnni <(target_arch))"],
        "cflags_cc": ["<!@(node tools/sources.mjs isa-flags avxvnni)"],
        "xcode_settings": {"OTHER_CPLUSPLUSFLAGS": ["<!@(node tools/sources.mjs isa-flags avxvnni)"]},
      }],
    }],
    ["lg_avx512vnni>0", {
      "targets": [{
        "target_name": "lg_avx512vnni",
        "type": "static_library",
        "sources": ["<!@(node tools/sources.mjs isa avx512vnni <(target_arch))"],
        "cflags_cc": ["<!@(node tools/sources.mjs isa-flags avx512vnni)"],
        "xcode_settings": {"OTHER_CPLUSPLUSFLAGS": ["<!@(node tools/sources.mjs isa-flags avx512vnni)"]},
      }],
    }],
    ["lg_amx>0", {
      "targets": [{
        "target_name": "lg_amx",
        "type": "static_library",
        "sources": ["<!@(node tools/sources.mjs isa amx <(target_arch))"],
        "cflags_cc": ["<!@(node tools/sources.mjs isa-flags amx)"],
        "xcode_settings": {"OTHER_CPLUSPLUSFLAGS": ["<!@(node tools/sources.mjs isa-flags amx)"]},
      }],
    }],
    ["lg_neon>0", {
      "targets": [{
        "target_name": "lg_neon",
        "type": "static_library",
        "sources": ["<!@(node tools/sources.mjs isa neon <(target_arch))"],
        "cflags_cc": ["<!@(node tools/sources.mjs isa-flags neon)"],
        "xcode_settings": {"OTHER_CPLUSPLUSFLAGS": ["<!@(node tools/sources.mjs isa-flags neon)"]},
      }],
    }],
    ["lg_neon_dotprod>0", {
      "targets": [{
        "target_name": "lg_neon_dotprod",
        "type": "static_library",
        "sources": ["<!@(node tools/sources.mjs isa neon_dotprod <(target_arch))"],
        "cflags_cc": ["<!@(node tools/sources.mjs isa-flags neon_dotprod)"],
        "xcode_settings": {"OTHER_CPLUSPLUSFLAGS": ["<!@(node tools/sources.mjs isa-flags neon_dotprod)"]},
      }],
    }],
    ["lg_neon_i8mm>0", {
      "targets": [{
        "target_name": "lg_neon_i8mm",
        "type": "static_library",
        "sources": ["<!@(node tools/sources.mjs isa neon_i8mm <(target_arch))"],
        "cflags_cc": ["<!@(node tools/sources.mjs isa-flags neon_i8mm)"],
        "xcode_settings": {"OTHER_CPLUSPLUSFLAGS": ["<!@(node tools/sources.mjs isa-flags neon_i8mm)"]},
      }],
    }],
  ],
}
