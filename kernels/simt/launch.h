// Starts kernels.
#pragma once

#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "kernels/simt/stream.h"
#include "kernels/simt/thread.h"

namespace simt {
namespace detail {

template <typename... P>
struct Call {  // a kernel with its arguments
  void (*kernel)(P...);
  std::tuple<std::decay_t<P>...> arguments;
  static void run(const void* call) {
    const auto* self = static_cast<const Call*>(call);
    std::apply(self->kernel, self->arguments);
  }
};

struct Launch {
  void (*run)(const void* call);
  std::shared_ptr<const void> call;
  size_t call_bytes;
  const void* kernel;
  dim3 grid, block;
  size_t shared_bytes;
  const char* file;  // where it was launched
  int line;
};
void submit(Stream stream, Launch launch);

}  // namespace detail

struct LaunchStream {  // a stream, and the line that names it as an argument of launch()
  Stream stream;
  const char* file;
  int line;
  LaunchStream(Stream stream, SIMT_HERE) : stream(stream), file(file), line(line) {}
};

// kernel<<<grid, block, shared_bytes, stream>>>(arguments...): runs to completion. Throws imago::Error if the kernel
// did something that it must not do.
template <typename... P, typename... A>
void launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes, LaunchStream on, A&&... arguments) {
  static_assert(sizeof...(P) == sizeof...(A), "launch: one argument for each parameter of the kernel");
  using Call = detail::Call<P...>;
  auto call = std::make_shared<const Call>(Call{kernel, {static_cast<P>(std::forward<A>(arguments))...}});
  detail::submit(on.stream, {&Call::run, std::move(call), sizeof(Call), reinterpret_cast<const void*>(kernel), grid,
                             block, shared_bytes, on.file, on.line});
}

}  // namespace simt
