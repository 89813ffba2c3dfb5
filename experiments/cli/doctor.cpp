// sublab doctor: what was found, what is missing, how to mend it.
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "analysis/figures/gnuplot.h"
#include "core/build_info.h"
#include "core/hints.h"
#include "core/process.h"
#include "data/corpus.h"
#include "data/sources/sources.h"
#include "experiments/cli/command.h"
#include "experiments/machine/cuda_driver.h"
#include "experiments/machine/device.h"
#include "experiments/machine/environment.h"

namespace sublab {
namespace {

struct Finding {
  std::string what, found, fix;
};

std::optional<fs::path> cuda_compiler() {
  const fs::path usual = "/usr/local/cuda/bin/nvcc";
  if (const auto found = find_program("nvcc")) return found;
  return is_executable(usual) ? std::optional(usual) : std::nullopt;
}

/// The card that `--device cuda` means, or why there is none.
Finding graphics_card() {
  const CudaDriver driver = cuda_driver();
  const CudaBuild build = cuda_build();
  if (resolve_device("auto", "doctor") == "cpu") {
    const std::string why =
        !driver.found ? "none" : "none that can be used (" + why_no_cuda(build, driver) + ")";
    const bool only_a_build = !build.with_cuda && driver.n_devices > 0;
    return {"GPU", why + "; everything runs on the CPU",
            only_a_build ? "cmake --preset cuda && cmake --build --preset cuda" : ""};
  }
  const json card = card_state(find_device("cuda", "doctor"));
  return {"GPU",
          card.value("name", "a CUDA device") + ", driver " + card.value("driver", "unknown") +
              " (CUDA up to " + cuda_version_text(driver.version) + "), LibTorch's CUDA " +
              cuda_version_text(build.libtorch_version),
          ""};
}

std::vector<Finding> examine() {
  const json machine = environment();
  std::vector<Finding> out;
  out.push_back({"program",
                 "commit " + build_info().commit.substr(0, 10) +
                     (build_info().dirty ? " with changes" : "") + ", " + build_info().compiler +
                     ", " + build_info().build_type,
                 ""});
  out.push_back(
      {"LibTorch", build_info().libtorch_version + ", " + machine["blas"].get<std::string>(), ""});
  out.push_back({"CPU",
                 machine["cpu"].get<std::string>() + ", " + machine["cores"].dump() + " cores, " +
                     machine["instruction_set"].get<std::string>() + ", " +
                     machine["threads"].dump() + " threads",
                 ""});
  out.push_back(
      {"memory",
       std::to_string(static_cast<int64_t>(machine["memory_bytes"].get<double>() / 1e9)) + " GB",
       ""});
  out.push_back(graphics_card());
  if (const auto compiler = cuda_compiler(); compiler || cuda_build().with_cuda)
    out.push_back({"nvcc",
                   compiler ? compiler->string() : "missing: CUDA kernels cannot be compiled again",
                   compiler ? "" : "apt install cuda-nvcc-13-0"});
  std::string folder, fix;
  try {
    folder = cache_folder().string();
    make_writable_folder(folder);
  } catch (const UserError& error) {
    folder = error.what();
    fix = "export SUBLAB_CACHE=/a/writable/folder";
  }
  out.push_back({"cache", folder, fix});
  const auto corpora = prepared_corpora();
  out.push_back({"corpora", corpora.empty() ? "none prepared" : join(corpora),
                 corpora.empty() ? command_name() + " corpus prepare" : ""});
  out.push_back({"apt-get",
                 find_program("apt-get") ? "found" : "missing: built-in corpora cannot be fetched",
                 find_program("apt-get") ? "" : command_name() + " corpus import PATH NAME"});
  const auto gnuplot = find_gnuplot();
  out.push_back({"gnuplot", gnuplot ? gnuplot->string() : "missing: reports have no figures",
                 gnuplot ? "" : "apt install gnuplot-nox"});
  out.push_back(
      {"pdflatex",
       find_program("pdflatex") ? "found" : "missing; `report --format tex` writes its file anyway",
       ""});
  return out;
}

}  // namespace

void add_doctor_command(CLI::App& app, CommandContext&) {
  auto* command =
      app.add_subcommand("doctor", "what was found, what is missing, and the one-line fix");
  command->footer("Example: sublab doctor");
  auto as_json = std::make_shared<bool>(false);
  command->add_flag("--json", *as_json, "print JSON");
  command->callback([as_json] {
    json out = json::array();
    for (const Finding& finding : examine()) {
      out.push_back({{"what", finding.what}, {"found", finding.found}, {"fix", finding.fix}});
      if (!*as_json)
        std::printf("%-9s %s%s\n", finding.what.c_str(), finding.found.c_str(),
                    finding.fix.empty() ? "" : ("   fix: " + finding.fix).c_str());
    }
    if (*as_json) std::cout << out.dump(1) << "\n";
  });
}

}  // namespace sublab
