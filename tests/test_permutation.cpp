// Permutations by position: bijections, and random ones.
#include "core/permutation.h"

#include <map>
#include <numeric>
#include <set>

#include "tests/support.h"

using namespace imago;

namespace {

std::vector<int64_t> order(int64_t n, uint32_t step, uint64_t seed = 1) {
  const Permutation permutation({.seed = seed, .stream = kShuffleStream, .step = step}, n);
  std::vector<int64_t> out(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) out[static_cast<size_t>(i)] = permutation[i];
  return out;
}

// The correlation of two sequences of the same length that are permutations of [0, n): of variance (n^2 - 1) / 12.
double correlation(const std::vector<int64_t>& a, const std::vector<int64_t>& b, size_t from, size_t lag) {
  const double n = static_cast<double>(a.size()), mean = (n - 1) / 2;
  double product = 0;
  for (size_t i = from; i + lag < a.size(); ++i)
    product += (static_cast<double>(a[i]) - mean) * (static_cast<double>(b[i + lag]) - mean);
  return product / (n * (n * n - 1) / 12);
}

// Pearson's statistic, and its degrees of freedom: it should be within five standard deviations, sqrt(2 degrees).
void check_even(const std::vector<double>& counts, double expected, int64_t degrees) {
  double chi = 0;
  for (const double c : counts) chi += (c - expected) * (c - expected) / expected;
  CAPTURE(counts.size(), chi, degrees);
  CHECK(std::abs(chi - static_cast<double>(degrees)) < 5 * std::sqrt(2.0 * static_cast<double>(degrees)));
}

}  // namespace

TEST_CASE("a permutation holds every number once and depends on all of its key", "[permutation]") {
  for (const int64_t n : {1, 2, 3, 4, 5, 15, 16, 17, 31, 255, 256, 257, 1000, 4096, 60000, 65537, 300001}) {
    CAPTURE(n);
    std::vector<int64_t> numbers = order(n, 7);
    CHECK(numbers == order(n, 7));
    if (n > 30) {
      CHECK(numbers != order(n, 8));
      CHECK(numbers != order(n, 7, 2));
      CHECK(numbers != order(n, 7, uint64_t{1} << 40));
    }
    std::sort(numbers.begin(), numbers.end());
    std::vector<int64_t> all(static_cast<size_t>(n));
    std::iota(all.begin(), all.end(), 0);
    CHECK(numbers == all);
  }
}

TEST_CASE("a permutation of billions stays in range and hits nothing twice", "[permutation]") {
  for (const int64_t n : {(int64_t{1} << 31) - 1, int64_t{1} << 31}) {
    const Permutation permutation({.seed = 3}, n);
    std::set<int64_t> seen;
    for (int64_t i = 0; i < 20000; ++i) {
      const int64_t x = permutation[n - 1 - i * 100000];
      CHECK_FALSE((x < 0 || x >= n || !seen.insert(x).second));
    }
  }
}

TEST_CASE("small permutations all come, equally often", "[permutation]") {
  for (const int64_t n : {2, 3, 4}) {
    std::map<std::vector<int64_t>, double> times;
    const int trials = 24000;
    for (uint32_t step = 0; step < trials; ++step) ++times[order(n, step)];
    std::vector<double> counts;
    for (const auto& [numbers, count] : times) counts.push_back(count);
    const size_t all = n == 2 ? 2 : n == 3 ? 6 : 24;
    REQUIRE(counts.size() == all);
    check_even(counts, trials / static_cast<double>(all), static_cast<int64_t>(all) - 1);
  }
}

TEST_CASE("every number comes everywhere, and behind every other, equally often", "[permutation]") {
  for (const int64_t n : {10, 17, 64, 100}) {
    const size_t N = static_cast<size_t>(n);
    const int trials = 20000;
    std::vector<double> place(N * N), pair(N * N);
    for (uint32_t step = 0; step < trials; ++step) {
      const std::vector<int64_t> numbers = order(n, step);
      for (size_t i = 0; i < N; ++i) {
        ++place[i * N + static_cast<size_t>(numbers[i])];
        if (i > 0) ++pair[static_cast<size_t>(numbers[i - 1]) * N + static_cast<size_t>(numbers[i])];
      }
    }
    check_even(place, static_cast<double>(trials) / static_cast<double>(n), (n - 1) * (n - 1));
    std::vector<double> pairs;  // a number does not follow itself
    for (size_t i = 0; i < N * N; ++i)
      if (i / N != i % N) pairs.push_back(pair[i]);
      else CHECK(pair[i] == 0);
    check_even(pairs, static_cast<double>(trials) / static_cast<double>(n), n * (n - 1) - 1);
  }
}

TEST_CASE("neighbours in an epoch, and the same place in the next one, have nothing to do with each other",
          "[permutation]") {
  const int64_t n = 60000;  // the images of MNIST
  const double sigma = 1 / std::sqrt(static_cast<double>(n));
  std::vector<int64_t> identity(static_cast<size_t>(n));
  std::iota(identity.begin(), identity.end(), 0);
  for (uint32_t epoch = 0; epoch < 10; ++epoch) {
    CAPTURE(epoch);
    const std::vector<int64_t> numbers = order(n, epoch), next = order(n, epoch + 1);
    CHECK(std::abs(correlation(numbers, identity, 0, 0)) < 5 * sigma);
    CHECK(std::abs(correlation(numbers, next, 0, 0)) < 5 * sigma);
    for (const size_t lag : {1, 2, 3, 4, 8, 16, 32, 64, 256}) {
      CAPTURE(lag);
      CHECK(std::abs(correlation(numbers, numbers, 0, lag)) < 5 * sigma);
      CHECK(std::abs(correlation(numbers, next, 0, lag)) < 5 * sigma);
    }
  }
}

TEST_CASE("batches are drawn evenly from a data set that is sorted", "[permutation]") {
  // 10 classes, one after the other, as in a folder; how many of each a batch of 100 has: hypergeometric.
  const int64_t n = 10000, batch = 100;
  double chi = 0;
  int64_t batches = 0;
  for (uint32_t epoch = 0; epoch < 20; ++epoch) {
    const std::vector<int64_t> numbers = order(n, epoch);
    for (int64_t first = 0; first < n; first += batch, ++batches) {
      double classes[10] = {};
      for (int64_t i = first; i < first + batch; ++i) ++classes[numbers[static_cast<size_t>(i)] / 1000];
      for (const double c : classes) chi += (c - 10) * (c - 10) / 10;
    }
  }
  const double expected = 9 * (1 - static_cast<double>(batch - 1) / static_cast<double>(n - 1));
  const double mean = chi / static_cast<double>(batches);
  CHECK(std::abs(mean - expected) < 5 * std::sqrt(2 * 9.0 / static_cast<double>(batches)));
}
