// An allocator that counts, and what the allocators of devices count themselves.
#include "experiments/machine/tensor_memory.h"

#include <c10/core/CPUAllocator.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/util/Exception.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>

namespace sublab {
namespace {

std::atomic<int64_t> g_live{0}, g_peak{0}, g_most{0};

/// In front of each block: its size. As wide as the alignment that LibTorch's own allocator gives.
constexpr size_t kHead = 64;

void add_live(int64_t bytes) {
  const int64_t live = g_live += bytes;
  int64_t peak = g_peak;
  while (live > peak && !g_peak.compare_exchange_weak(peak, live)) {
  }
}

void free_counted(void* data) {
  if (!data) return;
  char* block = static_cast<char*>(data) - kHead;
  g_live -= *reinterpret_cast<int64_t*>(block);
  std::free(block);
}

class CountingAllocator : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t n) override {
    const c10::Device cpu(c10::DeviceType::CPU);
    if (n == 0) return {nullptr, nullptr, &free_counted, cpu};
    const auto bytes = static_cast<int64_t>(n);
    const int64_t most = g_most;
    TORCH_CHECK_WITH(OutOfMemoryError, most == 0 || g_live + bytes <= most,
                     "not enough memory: tensors of ", g_live + bytes, " bytes, limited to ", most);
    // Not c10::alloc_cpu: where there is no memory, that ends the process.
    void* memory = nullptr;
    TORCH_CHECK_WITH(OutOfMemoryError, ::posix_memalign(&memory, kHead, n + kHead) == 0,
                     "not enough memory: ", bytes, " bytes more beside tensors of ", g_live.load());
    char* block = static_cast<char*>(memory);
    *reinterpret_cast<int64_t*>(block) = bytes;
    add_live(bytes);
    return {block + kHead, block + kHead, &free_counted, cpu};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &free_counted; }
  void copy_data(void* to, const void* from, size_t n) const override {
    default_copy_data(to, from, n);
  }
};

}  // namespace

void count_tensor_bytes() {
  static CountingAllocator allocator;
  static const bool once = [] {
    c10::SetCPUAllocator(&allocator, /*priority=*/100);
    return true;
  }();
  (void)once;
}

namespace tensor_memory {

/// The device's caching allocator once it has worked, or null.
c10::DeviceAllocator* allocator_of(at::Device device) {
  auto* allocator = dynamic_cast<c10::DeviceAllocator*>(c10::GetAllocator(device.type()));
  return allocator && allocator->initialized() ? allocator : nullptr;
}

/// Of all pools together.
c10::CachingAllocator::Stat sum_of(const c10::CachingAllocator::StatArray& stats) {
  return stats[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)];
}

}  // namespace tensor_memory

int64_t live_tensor_bytes(at::Device device) {
  if (device.is_cpu()) return g_live;
  auto* allocator = tensor_memory::allocator_of(device);
  if (!allocator) return 0;
  return tensor_memory::sum_of(allocator->getDeviceStats(device.index()).allocated_bytes).current;
}

int64_t peak_tensor_bytes(at::Device device) {
  if (device.is_cpu()) return g_peak;
  auto* allocator = tensor_memory::allocator_of(device);
  if (!allocator) return 0;
  return tensor_memory::sum_of(allocator->getDeviceStats(device.index()).allocated_bytes).peak;
}

void reset_peak_tensor_bytes(at::Device device) {
  if (device.is_cpu())
    g_peak = g_live.load();
  else if (auto* allocator = tensor_memory::allocator_of(device))
    allocator->resetPeakStats(device.index());
}

std::optional<DeviceMemory> device_memory(at::Device device) {
  auto* allocator = device.is_cpu() ? nullptr : tensor_memory::allocator_of(device);
  if (!allocator) return std::nullopt;
  const auto stats = allocator->getDeviceStats(device.index());
  const auto [free, total] = allocator->getMemoryInfo(device.index());
  return DeviceMemory{.peak_reserved_bytes = tensor_memory::sum_of(stats.reserved_bytes).peak,
                      .driver_used_bytes = static_cast<int64_t>(total - free),
                      .total_bytes = static_cast<int64_t>(total)};
}

void release_cached_memory(at::Device device) {
  auto* allocator = device.is_cpu() ? nullptr : tensor_memory::allocator_of(device);
  if (allocator) allocator->emptyCache();
}

void limit_tensor_bytes(int64_t most) { g_most = most; }

bool is_out_of_memory(const std::exception& error) {
  if (dynamic_cast<const OutOfMemory*>(&error) || dynamic_cast<const std::bad_alloc*>(&error) ||
      dynamic_cast<const c10::OutOfMemoryError*>(&error))
    return true;
  const std::string what = error.what();
  // The CPU's two, then CUDA's outside the caching allocator: the runtime's own and its libraries'.
  for (const char* phrase : {"not enough memory", "can't allocate memory", "out of memory",
                             "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED"})
    if (what.find(phrase) != std::string::npos) return true;
  return false;
}

}  // namespace sublab
