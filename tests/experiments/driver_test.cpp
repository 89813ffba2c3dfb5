// What is read of a card and of its driver, against a library of our own that stands in for both.
#include <dlfcn.h>

#include <catch2/catch.hpp>

#include "experiments/machine/cuda_driver.h"
#include "experiments/machine/nvml.h"
#include "experiments/measure/card_watch.h"

using namespace sublab;
using Catch::Contains;

namespace {

/// One card, whose numbers the test sets; forgotten at the end.
class FakeDriver {
 public:
  FakeDriver() : handle_(::dlopen(SUBLAB_FAKE_DRIVER, RTLD_NOW | RTLD_LOCAL)) {
    REQUIRE(handle_);
    reinterpret_cast<void (*)()>(::dlsym(handle_, "fake_clear"))();
  }
  ~FakeDriver() {
    reinterpret_cast<void (*)()>(::dlsym(handle_, "fake_clear"))();
    ::dlclose(handle_);
  }
  FakeDriver(const FakeDriver&) = delete;
  FakeDriver& operator=(const FakeDriver&) = delete;
  void set(const char* key, long value) {
    reinterpret_cast<void (*)(const char*, long)>(::dlsym(handle_, "fake_set"))(key, value);
  }

 private:
  void* handle_;
};

json state() { return nvml_state(0, SUBLAB_FAKE_DRIVER); }

}  // namespace

TEST_CASE("a card says its clocks, power and what holds it down, as far as its library does",
          "[unit]") {
  FakeDriver driver;
  CHECK(state() == json{{"driver", "580.65"}, {"name", "Fake H100"}});
  for (const auto& [key, value] : std::map<const char*, long>{{"sm_clock", 1755},
                                                              {"sm_clock_max", 1980},
                                                              {"memory_clock", 2619},
                                                              {"memory_clock_max", 2619},
                                                              {"temperature", 61},
                                                              {"power_mw", 654321},
                                                              {"power_cap_mw", 700000},
                                                              {"throttle_reasons", 4}})
    driver.set(key, value);
  const json full = state();
  CHECK(full.at("sm_clock_mhz") == 1755);
  CHECK(full.at("sm_clock_mhz_max") == 1980);
  CHECK(full.at("memory_clock_mhz_max") == 2619);
  CHECK(full.at("temperature_c") == 61);
  CHECK(full.at("power_w") == Approx(654.321));
  CHECK(full.at("power_cap_w") == 700);
  CHECK(full.at("throttle_reasons") == json{"sw_power_cap"});  // by the function's older name
  driver.set("event_reasons", 1);
  CHECK(state().at("throttle_reasons") == json{"gpu_idle"});
  CHECK(nvml_state(0, "/no/such/library.so") == json::object());
}

TEST_CASE("a device that CUDA counts among the visible ones is found among all", "[unit]") {
  CHECK(card_number(1, nullptr) == 1);
  CHECK(card_number(0, "3") == 3);
  CHECK(card_number(1, "3,5") == 5);
  CHECK(card_number(2, "3,5") == 2);
  CHECK(card_number(0, "GPU-8932f937") == 0);
  CHECK(card_number(0, "") == 0);
}

TEST_CASE("a watch keeps the extremes of what it saw while work ran", "[unit]") {
  FakeDriver driver;
  driver.set("sm_clock", 300);
  driver.set("event_reasons", 1);
  CardWatch watch(state);
  for (const auto& [clock, reasons] : std::vector<std::pair<long, long>>{{1980, 0}, {1400, 4}}) {
    driver.set("sm_clock", clock);
    driver.set("event_reasons", reasons);
    watch.sample();
  }
  driver.set("sm_clock", 345);
  const json card = watch.end();
  CHECK(card.at("before").at("sm_clock_mhz") == 300);
  CHECK(card.at("after").at("sm_clock_mhz") == 345);
  CHECK(card.at("during") == json{{"samples", 2},
                                  {"sm_clock_mhz_min", 1400.0},
                                  {"sm_clock_mhz_max", 1980.0},
                                  {"throttle_reasons", {"sw_power_cap"}}});
  CHECK(CardWatch([] { return json(); }).end().is_null());
}

TEST_CASE("each reason for having no CUDA device is told apart", "[unit]") {
  FakeDriver fake;
  const CudaBuild without, with{true, 13000}, no_cuda_in_libtorch{true, 0};
  const auto why = [](const CudaBuild& build) {
    return why_no_cuda(build, cuda_driver(SUBLAB_FAKE_DRIVER));
  };
  CHECK_THAT(why(without), Contains("built without CUDA"));
  CHECK_THAT(why(no_cuda_in_libtorch), Contains("libtorch_cuda.so is not loaded"));
  CHECK_THAT(why_no_cuda(with, cuda_driver("/no/such/library.so")), Contains("no NVIDIA driver"));
  fake.set("cuda_version", 12040);
  CHECK_THAT(why(with), Contains("too old") && Contains("up to 12.4") && Contains("CUDA 13.0"));
  fake.set("cuda_version", 13000);
  CHECK_THAT(why(with), Contains("shows no CUDA device"));
  fake.set("cu_init", 100);
  CHECK_THAT(why(with),
             Contains("does not start") && Contains("no CUDA-capable device") && Contains("(100)"));
  fake.set("cu_init", 0);
  fake.set("devices", 1);
  CHECK_THAT(why(with), Contains("driver shows 1"));
  for (const CudaBuild& build : {without, with, no_cuda_in_libtorch})
    CHECK(why(build).find('\n') == std::string::npos);
}
