// What the emulator's tests share: arrays in device memory, and launches that are expected to be refused.
#pragma once

#include <catch2/catch.hpp>
#include <fstream>
#include <string>
#include <vector>

#include "core/check.h"
#include "kernels/cuda/device/tensor_core.cuh"
#include "kernels/simt/memory.h"
#include "kernels/simt/options.h"

namespace simt::tests {

#ifdef IMAGO_SIMT_CHECK
inline constexpr bool kChecking = true;
#else
inline constexpr bool kChecking = false;
#endif

template <typename T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t n) : size_(n), data_(static_cast<T*>(memory_allocate(n * sizeof(T)))) {}
  DeviceArray(const std::vector<T>& v) : DeviceArray(v.size()) { memory_upload(data_, v.data(), size_ * sizeof(T)); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;
  ~DeviceArray() { memory_release(data_); }

  T* data() const { return data_; }
  std::vector<T> read() const {
    std::vector<T> v(size_);
    memory_download(v.data(), data_, size_ * sizeof(T));
    return v;
  }

 private:
  size_t size_;
  T* data_;
};

// 0, 1, 2, ...
template <typename T = float>
std::vector<T> ramp(size_t n) {
  std::vector<T> v(n);
  for (size_t i = 0; i < n; ++i) v[i] = static_cast<T>(i);
  return v;
}

// The message of the imago::Error that f throws; empty if it throws none.
template <typename F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const imago::Error& e) {
    return e.what();
  }
  return "";
}

// "test_checker.cpp:12", the line of that file in this folder that says `bug: name`.
inline std::string line_of(const std::string& file, const std::string& name) {
  std::ifstream source(std::string(IMAGO_SIMT_TESTS_DIR "/") + file);
  int number = 1;
  for (std::string line; std::getline(source, line); ++number) {
    if (line.ends_with("bug: " + name)) return file + ":" + std::to_string(number);
  }
  return "no such line";
}

// Changes the emulator's options for a scope.
class ScopedOptions {
 public:
  explicit ScopedOptions(Order order, uint64_t seed = 1) : saved_(options()) {
    options().order = order;
    options().seed = seed;
  }
  ~ScopedOptions() { options() = saved_; }
  ScopedOptions(const ScopedOptions&) = delete;
  ScopedOptions& operator=(const ScopedOptions&) = delete;

 private:
  Options saved_;
};

}  // namespace simt::tests
