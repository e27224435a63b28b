// The extents of a dense row-major tensor.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <span>

namespace imago {

inline constexpr int kMaxRank = 6;

// Up to six extents, kept in place. A Shape of rank 0 is a scalar and has one element.
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}
  // Throws if there are more than kMaxRank extents, one is negative, or their product does not fit 63 bits.
  explicit Shape(std::span<const int64_t> dims);

  int rank() const { return rank_; }
  int64_t numel() const { return numel_; }
  // Extent i; negative i counts from the end. Throws if there is no such axis.
  int64_t operator[](int i) const { return dims_[static_cast<size_t>(axis(i))]; }
  // i as an index in [0, rank); negative i counts from the end. Throws if out of range.
  int axis(int i) const;

  const int64_t* begin() const { return dims_.data(); }
  const int64_t* end() const { return dims_.data() + rank_; }
  std::span<const int64_t> span() const { return {dims_.data(), static_cast<size_t>(rank_)}; }

  // The same shape with extent i replaced, left out, or a new one put in front of axis i.
  Shape with(int i, int64_t extent) const;
  Shape without(int i) const;
  Shape inserted(int i, int64_t extent) const;

  friend bool operator==(const Shape& a, const Shape& b) {
    return a.rank_ == b.rank_ && std::equal(a.begin(), a.end(), b.begin());
  }

 private:
  std::array<int64_t, kMaxRank> dims_{};
  int64_t numel_ = 1;
  int rank_ = 0;
};

// "(2, 3, 4)"
std::ostream& operator<<(std::ostream& out, const Shape& shape);

}  // namespace imago
