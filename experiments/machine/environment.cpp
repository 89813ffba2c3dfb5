// Reads /proc, /sys and the build's own facts.
#include "experiments/machine/environment.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <sstream>
#include <thread>

#include "core/build_info.h"
#include "core/files.h"
#include "experiments/machine/device.h"

namespace sublab {
namespace {

/// The value of the first "key : value" line of a /proc file.
std::string proc_value(const std::string& path, const std::string& key) {
  std::ifstream in(path);
  std::string line;
  while (std::getline(in, line))
    if (line.starts_with(key)) {
      const size_t colon = line.find(':');
      if (colon == std::string::npos) continue;
      const size_t begin = line.find_first_not_of(" \t", colon + 1);
      return begin == std::string::npos ? "" : line.substr(begin);
    }
  return "";
}

double kilobytes(const std::string& path, const std::string& key) {
  const std::string text = proc_value(path, key);
  return text.empty() ? 0 : std::stod(text) * 1024;
}

std::string first_line(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

std::string instruction_set() {
  const std::string flags = proc_value("/proc/cpuinfo", "flags");
  for (const char* name : {"amx_bf16", "avx512f", "avx2", "avx", "sse4_2"})
    if (flags.find(name) != std::string::npos) return name;
  return "unknown";
}

}  // namespace

json environment(at::Device device) {
  json caches = json::object();
  for (int i = 0; i < 4; ++i) {
    const std::string base = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(i) + "/";
    const std::string size = first_line(base + "size");
    if (!size.empty())
      caches["L" + first_line(base + "level") + " " + first_line(base + "type")] = size;
  }
  return {{"cpu", proc_value("/proc/cpuinfo", "model name")},
          {"cores", std::thread::hardware_concurrency()},
          {"caches", caches},
          {"instruction_set", instruction_set()},
          {"cpu_capability", at::get_cpu_capability()},
          {"threads", at::get_num_threads()},
          {"memory_bytes", kilobytes("/proc/meminfo", "MemTotal")},
          {"gpu", card_state(device)},
          {"libtorch", build_info().libtorch_version},
          {"blas", at::hasMKL() ? "MKL" : "other"},
          {"compiler", build_info().compiler},
          {"flags", build_info().flags},
          {"load_at_start", machine_use().load}};
}

json code_provenance() {
  return {{"commit", build_info().commit},
          {"dirty", build_info().dirty},
          {"build_type", build_info().build_type}};
}

MachineUse machine_use() {
  MachineUse out;
  timespec cpu{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
  out.cpu_seconds = static_cast<double>(cpu.tv_sec) + 1e-9 * static_cast<double>(cpu.tv_nsec);
  std::error_code error;
  for (const auto& thread : fs::directory_iterator("/proc/self/task", error)) {
    double ran = 0, waited = 0;
    if (std::istringstream(first_line(thread.path() / "schedstat")) >> ran >> waited)
      out.wait_seconds = out.wait_seconds.value_or(0) + 1e-9 * waited;
  }
  std::istringstream(first_line("/proc/loadavg")) >> out.load;
  return out;
}

double peak_resident_bytes() { return kilobytes("/proc/self/status", "VmHWM"); }
double resident_bytes() { return kilobytes("/proc/self/status", "VmRSS"); }

double available_memory_bytes() {
  double free = kilobytes("/proc/meminfo", "MemAvailable");
  const std::string at = "/sys/fs/cgroup/";
  for (const auto& [limit, usage] : std::vector<std::pair<std::string, std::string>>{
           {"memory.max", "memory.current"},
           {"memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"}}) {
    const std::string most = first_line(at + limit), used = first_line(at + usage);
    if (most.empty() || used.empty() || most == "max") continue;
    free = std::min(free, std::stod(most) - std::stod(used));
  }
  return free;
}

double total_memory_bytes() {
  double total = kilobytes("/proc/meminfo", "MemTotal");
  for (const char* limit :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"})
    if (const std::string most = first_line(limit); !most.empty() && most != "max")
      total = std::min(total, std::stod(most));
  return total;
}

bool reset_peak_resident() {
  std::ofstream out("/proc/self/clear_refs");
  out << "5";
  out.flush();
  return static_cast<bool>(out);
}

fs::path shipped_folder(const std::string& name) {
  const char* root = std::getenv("SUBLAB_ROOT");
  return fs::path(root && *root ? root : SUBLAB_SOURCE_ROOT) / "experiments" / name;
}

std::string timestamp() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace sublab
