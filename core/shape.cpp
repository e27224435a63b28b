#include "core/shape.h"

#include <vector>

#include "core/check.h"
#include "core/dtype.h"

namespace imago {

void unsupported_dtype(const char* op, DType dtype) { fail(op, ": no kernel for ", dtype); }

Shape::Shape(std::span<const int64_t> dims) : rank_(static_cast<int>(dims.size())) {
  IMAGO_CHECK(dims.size() <= kMaxRank, "Shape: at most ", kMaxRank, " extents, got ", dims.size());
  bool overflow = false;
  for (size_t i = 0; i < dims.size(); ++i) {
    IMAGO_CHECK(dims[i] >= 0, "Shape: extents must not be negative, got ", dims[i], " at axis ", i);
    dims_[i] = dims[i];
    overflow |= __builtin_mul_overflow(numel_, dims[i], &numel_);
  }
  IMAGO_CHECK(!overflow, "Shape: the number of elements of ", *this, " does not fit 63 bits");
}

int Shape::axis(int i) const {
  const int a = i < 0 ? i + rank_ : i;
  IMAGO_CHECK(a >= 0 && a < rank_, "Shape: ", *this, " has no axis ", i);
  return a;
}

Shape Shape::with(int i, int64_t extent) const {
  std::vector<int64_t> dims(begin(), end());
  dims[static_cast<size_t>(axis(i))] = extent;
  return Shape(dims);
}

Shape Shape::without(int i) const {
  std::vector<int64_t> dims(begin(), end());
  dims.erase(dims.begin() + axis(i));
  return Shape(dims);
}

Shape Shape::inserted(int i, int64_t extent) const {
  IMAGO_CHECK(i >= 0 && i <= rank_, "Shape: cannot insert in front of axis ", i, " of ", *this);
  std::vector<int64_t> dims(begin(), end());
  dims.insert(dims.begin() + i, extent);
  return Shape(dims);
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  out << '(';
  for (int i = 0; i < shape.rank(); ++i) out << (i ? ", " : "") << shape[i];
  return out << ')';
}

}  // namespace imago
