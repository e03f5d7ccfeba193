# SPDX-License-Identifier: Apache-2.0
# Fails where CMake is older than CMakeLists.txt needs.
cmake_minimum_required(VERSION 3.19)
