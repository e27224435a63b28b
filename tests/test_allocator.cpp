#include "core/allocator.h"

#include <cstring>
#include <set>
#include <thread>

#include "core/check.h"
#include "core/op_label.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;

namespace {

// Allocations by others (static tensors) may be there already, so tests look at differences.
size_t in_use() { return memory_stats(Device::cpu).in_use; }
size_t cached() { return memory_stats(Device::cpu).cached; }

}  // namespace

TEST_CASE("what is released is used again", "[allocator]") {
  void* first = allocate(10000, Device::cpu);
  release(first, 10000, Device::cpu);
  void* again = allocate(9900, Device::cpu);  // the same size class
  CHECK(again == first);
  release(again, 9900, Device::cpu);
}

TEST_CASE("blocks in use never overlap", "[allocator]") {
  const size_t sizes[] = {1, 63, 64, 65, 255, 256, 257, 320, 321, 4096, 4097, 65537};
  struct Block { unsigned char* memory; size_t bytes; };
  std::vector<Block> blocks;
  for (int round = 0; round < 3; ++round)
    for (const size_t bytes : sizes) {
      const unsigned char mark = static_cast<unsigned char>(blocks.size());
      blocks.push_back({static_cast<unsigned char*>(allocate(bytes, Device::cpu)), bytes});
      CHECK(reinterpret_cast<uintptr_t>(blocks.back().memory) % kAlignment == 0);
      std::memset(blocks.back().memory, mark, bytes);
    }
  for (size_t i = 0; i < blocks.size(); ++i) {
    const auto [memory, bytes] = blocks[i];
    CHECK(std::count(memory, memory + bytes, static_cast<unsigned char>(i)) == static_cast<long>(bytes));
    release(memory, bytes, Device::cpu);
  }
}

TEST_CASE("statistics count what is in use, cached, and the peak", "[allocator]") {
  trim_memory(Device::cpu);
  CHECK(cached() == 0);
  const size_t before = in_use();
  reset_peak_memory(Device::cpu);
  CHECK(memory_stats(Device::cpu).peak == before);

  void* a = allocate(1 << 20, Device::cpu);
  void* b = allocate(1 << 20, Device::cpu);
  CHECK(in_use() == before + (2 << 20));
  release(a, 1 << 20, Device::cpu);
  CHECK(in_use() == before + (1 << 20));
  CHECK(cached() == 1 << 20);
  CHECK(memory_stats(Device::cpu).peak == before + (2 << 20));
  a = allocate(1 << 20, Device::cpu);
  CHECK(cached() == 0);
  release(a, 1 << 20, Device::cpu);
  release(b, 1 << 20, Device::cpu);
  CHECK(in_use() == before);
  CHECK(cached() == 2 << 20);
  trim_memory(Device::cpu);
  CHECK(cached() == 0);
}

TEST_CASE("rounding up to a size class wastes at most a quarter", "[allocator]") {
  for (const size_t bytes : {257u, 300u, 1000u, 1025u, 5000u, 12345u, 1000003u}) {
    const size_t before = in_use();
    void* memory = allocate(bytes, Device::cpu);
    const size_t got = in_use() - before;
    CAPTURE(bytes, got);
    CHECK(got >= bytes);
    CHECK(got <= bytes + bytes / 4 + kAlignment);
    release(memory, bytes, Device::cpu);
  }
}

TEST_CASE("trimming leaves what is in use alone", "[allocator]") {
  std::vector<Tensor> kept;
  for (int i = 0; i < 10; ++i) {
    kept.push_back(Tensor::full({1000}, i));
    Tensor dropped({1000});
  }
  trim_memory(Device::cpu);
  for (int i = 0; i < 10; ++i)
    CHECK(kept[static_cast<size_t>(i)].to_vector<float>() ==
          std::vector<float>(1000, static_cast<float>(i)));
}

TEST_CASE("no bytes need no memory", "[allocator]") {
  const size_t before = in_use();
  CHECK(allocate(0, Device::cpu) == nullptr);
  release(nullptr, 0, Device::cpu);
  CHECK(Tensor({0, 7}).raw() == nullptr);
  CHECK(in_use() == before);
}

TEST_CASE("the allocator serves several threads at once", "[allocator]") {
  const size_t before = in_use();
  std::vector<std::thread> threads;
  std::atomic<int> clashes{0};
  for (unsigned char mark = 1; mark <= 4; ++mark)
    threads.emplace_back([mark, &clashes] {
      for (int round = 0; round < 500; ++round) {
        const size_t bytes = 64 + static_cast<size_t>(round * 37 % 2000);
        auto* memory = static_cast<unsigned char*>(allocate(bytes, Device::cpu));
        std::memset(memory, mark, bytes);
        std::this_thread::yield();
        if (std::count(memory, memory + bytes, mark) != static_cast<long>(bytes)) ++clashes;
        release(memory, bytes, Device::cpu);
      }
    });
  for (std::thread& t : threads) t.join();
  CHECK(clashes == 0);
  CHECK(in_use() == before);
}

TEST_CASE("out of memory says what was asked for, who holds how much, and what helps", "[allocator][errors]") {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which report it in their own way
  const OpLabel label("a large op");
  const Tensor held({5 << 20}, DType::f32, Device::cpu);
  const size_t before = in_use();
  CHECK_THROWS_WITH(allocate(size_t{1} << 60, Device::cpu),
                    Contains("out of memory on cpu: asked for 1.0 EiB while " + bytes_text(before) + " are in use (") &&
                        Contains("a large op 20.0 MiB") && Contains("B are free; a smaller batch or activation "
                                                                    "checkpointing needs less"));
  CHECK(in_use() == before);
#endif
}

TEST_CASE("memory is put down to operations", "[allocator]") {
  const Device device = default_device();
  const auto held_by = [&](const std::string& op) {
    for (const OpMemory& entry : memory_by_op(device))
      if (entry.op == op) return entry;
    return OpMemory{.op = op};
  };
  {
    const Variable x(randn({100, 100}, DType::f32), true);
    const Variable y = silu(x);
    CHECK(held_by("silu").bytes == allocation_size(40000, device));
    CHECK(held_by("silu").blocks == 1);
    const Variable view = reshape(y, {10000});
    CHECK(held_by("reshape").blocks == 0);  // no memory of its own
    sum(view).backward();
    CHECK(held_by("silu").blocks == 2);  // x's gradient
    const OpLabel outer("outer");
    {
      const OpLabel inner("inner");
      const Tensor t({10});
      CHECK(held_by("inner").bytes == allocation_size(40, device));
      CHECK(std::string(current_op()) == "inner");
    }
    CHECK(std::string(current_op()) == "outer");
  }
  CHECK(held_by("silu").blocks == 0);
  CHECK(held_by("inner").blocks == 0);
  const auto all = memory_by_op(device);
  size_t total = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    total += all[i].bytes;
    if (i) CHECK(all[i - 1].bytes >= all[i].bytes);
  }
  CHECK(total == memory_stats(device).in_use);
}

TEST_CASE("numbers of bytes are readable", "[allocator]") {
  CHECK(bytes_text(0) == "0 bytes");
  CHECK(bytes_text(1023) == "1023 bytes");
  CHECK(bytes_text(1536) == "1.5 KiB");
  CHECK(bytes_text(size_t{20} << 20) == "20.0 MiB");
  CHECK(bytes_text(size_t{3} << 40) == "3.0 TiB");
}
