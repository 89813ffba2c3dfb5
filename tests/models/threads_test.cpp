// This tree's own loops: on as many threads as they are given, with the same bits however they were
// cut.
#include <ATen/Parallel.h>
#include <omp.h>

#include <catch2/catch.hpp>
#include <functional>
#include <set>

#include "models/kernels/decode_attention.h"
#include "models/kernels/rms_norm.h"
#include "models/kernels/rotate.h"
#include "models/kernels/skinny_linear.h"
#include "models/kernels/softmax_gradient.h"
#include "models/kernels/subsample.h"
#include "models/kernels/swiglu.h"
#include "tests/models/small_models.h"

using namespace sublab;

namespace {

struct Threads {
  explicit Threads(int n) : before(at::get_num_threads()) { at::set_num_threads(n); }
  ~Threads() { at::set_num_threads(before); }
  int before;
};

using Tensors = std::vector<at::Tensor>;

/// The same results, bit for bit, with 1, 2, 3 and 5 threads.
void check_cuts(const std::string& what, const std::function<Tensors()>& work) {
  INFO(what);
  const auto with = [&](int threads) {
    const Threads set(threads);
    return work();
  };
  const Tensors whole = with(1);
  for (const int threads : {2, 3, 5}) {
    const Tensors cut = with(threads);
    for (size_t i = 0; i < whole.size(); ++i) {
      INFO(threads << " threads, result " << i);
      CHECK(cut[i].equal(whole[i]));
    }
  }
}

Tensors gradients(const at::Tensor& out, const Tensors& of) {
  (out * out).sum().backward();
  Tensors found{out.detach()};
  for (const at::Tensor& x : of) {
    found.push_back(x.grad().clone());
    x.mutable_grad() = at::Tensor();
  }
  return found;
}

at::Tensor leaf(at::IntArrayRef sizes) { return at::randn(sizes).requires_grad_(); }

}  // namespace

TEST_CASE("a parallel loop of this tree runs on the threads that it was given", "[unit]") {
  for (const int n : {1, 2, 3}) {
    const Threads set(n);
    std::vector<int> by(64, -1);
    at::parallel_for(0, 64, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) by[i] = omp_get_thread_num();
    });
    CHECK(std::set<int>(by.begin(), by.end()).size() == static_cast<size_t>(n));
  }
}

TEST_CASE("how a loop was cut moves no bit", "[numerics]") {
  at::manual_seed(5);
  const at::Tensor x = leaf({701, 6, 34}), angle = at::randn({701, 17});
  check_cuts("rotate", [&] { return gradients(rotate(x, angle.cos(), angle.sin()), {x}); });
  const at::Tensor gate = leaf({333, 171}), up = leaf({333, 171});
  check_cuts("swiglu", [&] { return gradients(swiglu(gate, up), {gate, up}); });
  const at::Tensor stream = leaf({901, 37}), weight = at::rand({37}) + 0.5;
  check_cuts("rms_norm", [&] { return gradients(rms_norm(stream, weight, 1e-5), {stream}); });
  const at::Tensor index = std::get<0>(at::randperm(901).slice(0, 0, 613).sort());
  check_cuts("gather_rows", [&] { return gradients(gather_rows(stream, index), {stream}); });
  const at::Tensor inner = leaf({613, 37}), weights = leaf({613}), c = at::rand({37});
  check_cuts("bypass_return", [&] {
    return gradients(bypass_return(stream, inner, index, weights, c), {stream, inner, weights});
  });
  const at::Tensor logits = at::randn({203, 1009}), labels = at::randint(0, 1009, {203}, at::kLong);
  check_cuts("softmax_gradient", [&]() -> Tensors {
    at::Tensor gradient = logits.clone();
    const at::Tensor loss = softmax_gradient(gradient, labels, 203);
    return {loss, gradient};
  });
}

TEST_CASE("how a loop of decoding was cut moves no bit", "[numerics]") {
  at::NoGradGuard no_grad;
  at::manual_seed(6);
  const at::Tensor x = at::randn({3, 257}), w = at::randn({1031, 257}), b = at::randn({1031});
  check_cuts("linear_map", [&]() -> Tensors { return {linear_map(x, w, b)}; });
  const at::Tensor keys = at::randn({1700, 4, 48}), values = at::randn({1700, 4, 48});
  const at::Tensor queries = at::randn({2, 8, 48});
  check_cuts("decode_attention", [&]() -> Tensors {
    const std::vector<VisibleTokens> visible = {{keys, values},
                                                {keys.slice(0, 0, 900), values.slice(0, 0, 900)}};
    return {decode_attention(queries, visible, 0.1)};
  });
}

TEST_CASE("sums over rows depend on the number of threads alone", "[numerics]") {
  at::manual_seed(7);
  const at::Tensor x = at::randn({4001, 37}), weight = leaf({37});
  for (const int threads : {1, 2, 3}) {
    const Threads set(threads);
    const Tensors first = gradients(rms_norm(x, weight, 1e-5), {weight});
    for (int again = 0; again < 5; ++again)
      CHECK(gradients(rms_norm(x, weight, 1e-5), {weight})[1].equal(first[1]));
  }
}
