#include <ATen/ATen.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>

#include "experiments/cli/command.h"

namespace sublab {
namespace {

/// Median seconds of one call, after a warm-up.
double seconds_of(const std::function<void()>& work) {
  constexpr int kRounds = 9;
  work();
  std::vector<double> seconds;
  for (int i = 0; i < kRounds; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds[kRounds / 2];
}

json measure() {
  at::NoGradGuard no_grad;
  json out = json::object();
  for (const int64_t n : {256, 512, 1024, 1536}) {
    const at::Tensor a = at::rand({n, n}), b = at::rand({n, n});
    at::Tensor c = at::empty({n, n});
    const double repeats = n <= 512 ? 8 : 1;
    const double seconds = seconds_of([&] {
      for (int i = 0; i < static_cast<int>(repeats); ++i) at::mm_out(c, a, b);
    });
    out["matmul_" + std::to_string(n) + "_gflops_per_s"] =
        repeats * 2.0 * static_cast<double>(n * n * n) / seconds / 1e9;
  }
  const at::Tensor large = at::rand({1 << 26});  // 256 MB, beyond every cache
  out["read_gb_per_s"] =
      static_cast<double>(large.nbytes()) / seconds_of([&] { large.sum(); }) / 1e9;
  at::Tensor copy = at::empty_like(large);
  out["copy_gb_per_s"] =
      2.0 * static_cast<double>(large.nbytes()) / seconds_of([&] { copy.copy_(large); }) / 1e9;
  at::Tensor tiny = at::zeros({1});
  constexpr int kLaunches = 1000;
  out["launch_us"] = seconds_of([&] {
                       for (int i = 0; i < kLaunches; ++i) tiny.add_(1);
                     }) /
                     kLaunches * 1e6;
  return out;
}

}  // namespace

void add_calibrate_command(CLI::App& app, CommandContext&) {
  auto* command = app.add_subcommand(
      "calibrate", "this machine's matmul rate, memory bandwidth and cost of a launch");
  command->footer("Example: sublab calibrate");
  auto as_json = std::make_shared<bool>(false);
  command->add_flag("--json", *as_json, "print JSON");
  command->callback([as_json] {
    const json out = measure();
    if (*as_json) {
      std::cout << out.dump(1) << "\n";
      return;
    }
    for (const auto& [name, value] : out.items())
      std::printf("%-28s %10.2f\n", name.c_str(), value.get<double>());
  });
}

}  // namespace sublab
