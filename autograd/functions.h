// The index of every differentiable function. Each is defined in autograd/functions/<op>.cpp, its
// checks and its exact contract stand in kernels/<op>.h. Images are (N, H, W, C). Undefined
// Variables stand for absent optional inputs.
#pragma once

#include <initializer_list>
#include <span>

#include "autograd/variable.h"
#include "core/philox.h"
#include "kernels/options.h"

namespace imago {

// ---- convolution and matrix products ----

struct Conv2dEpilogue {
  Variable bias = {};          // (O)
  Variable channel_bias = {};  // (N, O), one value per sample and channel: a time embedding
  Variable residual = {};      // (N, HO, WO, O)
};
// y[n,i,j,o] = sum_{r,s,c} x[n, i*stride+r-top, j*stride+s-left, c] * weight[o,r,s,c] + epilogue;
// x (N, H, W, C), weight (O, KH, KW, C/groups).
Variable conv2d(const Variable& x, const Variable& weight, const Conv2dOptions& options = {},
                const Conv2dEpilogue& epilogue = {});
// y = x weight^T + bias; x (..., I), weight (O, I), bias (O) or undefined.
Variable linear(const Variable& x, const Variable& weight, const Variable& bias = {});
// Batched product of the last two axes; leading axes must be equal, or absent in b.
Variable matmul(const Variable& a, const Variable& b, const MatmulOptions& options = {});
// Over the last axis.
Variable softmax(const Variable& x);
// softmax(q k^T / sqrt(d)) v per head; q (N, T, C), k and v (N, S, C), head j owns channels [j*d,
// (j+1)*d), d = C/heads.
Variable attention(const Variable& q, const Variable& k, const Variable& v, int64_t heads);
// Rows of weight (V, C); ids i32 or i64 of any shape -> ids.shape + (C).
Variable embedding(const Tensor& ids, const Variable& weight);

// ---- normalisation ----

// Over each of `groups` channel groups of x (N, ..., C); weight, bias (C). activation is none or
// silu.
Variable group_norm(const Variable& x, const Variable& weight, const Variable& bias,
                    const GroupNormOptions& options);
// Over the last axis; weight, bias (C).
Variable layer_norm(const Variable& x, const Variable& weight, const Variable& bias,
                    double eps = 1e-5);

// ---- element by element ----

Variable unary(UnaryOp op, const Variable& x);
inline Variable silu(const Variable& x) { return unary(UnaryOp::silu, x); }
inline Variable gelu(const Variable& x) { return unary(UnaryOp::gelu, x); }  // exact, with erf
inline Variable relu(const Variable& x) { return unary(UnaryOp::relu, x); }
inline Variable sigmoid(const Variable& x) { return unary(UnaryOp::sigmoid, x); }
inline Variable tanh(const Variable& x) { return unary(UnaryOp::tanh, x); }
inline Variable mish(const Variable& x) { return unary(UnaryOp::mish, x); }
inline Variable exp(const Variable& x) { return unary(UnaryOp::exp, x); }
inline Variable sqrt(const Variable& x) { return unary(UnaryOp::sqrt, x); }

// Shapes are aligned at their last axis; an extent of 1 or a missing axis is repeated.
Variable binary(BinaryOp op, const Variable& a, const Variable& b);
inline Variable add(const Variable& a, const Variable& b) { return binary(BinaryOp::add, a, b); }
inline Variable sub(const Variable& a, const Variable& b) { return binary(BinaryOp::sub, a, b); }
inline Variable mul(const Variable& a, const Variable& b) { return binary(BinaryOp::mul, a, b); }
inline Variable div(const Variable& a, const Variable& b) { return binary(BinaryOp::div, a, b); }
inline Variable operator+(const Variable& a, const Variable& b) { return add(a, b); }
inline Variable operator-(const Variable& a, const Variable& b) { return sub(a, b); }
inline Variable operator*(const Variable& a, const Variable& b) { return mul(a, b); }
inline Variable operator/(const Variable& a, const Variable& b) { return div(a, b); }
// factor * x + offset
Variable scale(const Variable& x, double factor, double offset = 0);
inline Variable operator*(double a, const Variable& x) { return scale(x, a); }
inline Variable operator*(const Variable& x, double a) { return scale(x, a); }
inline Variable operator+(const Variable& x, double a) { return scale(x, 1, a); }
inline Variable operator-(const Variable& x, double a) { return scale(x, 1, -a); }
inline Variable operator-(const Variable& x) { return scale(x, -1); }

// Zeroes each element with probability p and divides the rest by 1 - p; the mask is drawn again in
// backward.
Variable dropout(const Variable& x, double p, const RandomKey& key);

// ---- reductions and losses ----

// Over the given axes (negative ones count from the end), or over all of them, to a scalar.
Variable sum(const Variable& x);
Variable sum(const Variable& x, std::span<const int> axes, bool keep_dims = false);
Variable mean(const Variable& x);
Variable mean(const Variable& x, std::span<const int> axes, bool keep_dims = false);

// Mean over all elements of weight[n] * loss(prediction - target): a scalar. weight (N) is optional
// and constant.
Variable mse_loss(const Variable& prediction, const Tensor& target, const Tensor& weight = {});
Variable l1_loss(const Variable& prediction, const Tensor& target, const Tensor& weight = {});
Variable huber_loss(const Variable& prediction, const Tensor& target, double delta = 1,
                    const Tensor& weight = {});

// ---- images ----

Variable upsample_nearest(const Variable& x);  // (N, H, W, C) -> (N, 2H, 2W, C)
Variable avg_pool2d(const Variable& x, int64_t kernel, int64_t stride);
Variable max_pool2d(const Variable& x, int64_t kernel, int64_t stride);
// (N, H, W, C) -> (N, H/r, W/r, C*r*r) and back; channel order is torch's: c*r*r + (row in block)*r
// + column.
Variable pixel_unshuffle(const Variable& x, int64_t r);
Variable pixel_shuffle(const Variable& x, int64_t r);
// Zeros around the image.
Variable pad(const Variable& x, const Padding& padding);

// ---- arrangement ----

// Another floating-point type; x itself where it has it.
Variable cast(const Variable& x, DType dtype);

Variable reshape(const Variable& x, const Shape& shape);
Variable reshape(const Variable& x, std::initializer_list<int64_t> dims);  // one extent may be -1
// y's axis i is x's axis order[i]; copies.
Variable permute(const Variable& x, std::initializer_list<int> order);
// Along the last axis: channels.
Variable concat(const std::vector<Variable>& parts);
std::vector<Variable> split(const Variable& x, std::span<const int64_t> sizes);
Variable slice_channels(const Variable& x, int64_t begin, int64_t end);

}  // namespace imago
