// One arena of pages, opened while an operator works; one boxed kernel behind every operator.
#include "tests/models/second_device.h"

#include <ATen/EmptyTensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <sys/mman.h>
#include <torch/library.h>

#include <chrono>
#include <map>
#include <mutex>

namespace sublab {
namespace second_device_detail {

constexpr auto kType = c10::DeviceType::PrivateUse1;
constexpr size_t kArenaBytes = size_t{1} << 30, kPage = 4096;

int64_t g_to_host = 0, g_to_device = 0, g_waits = 0, g_events = 0;

/// First fit over a list of free blocks. Memory is readable while at least one operator works.
class Arena {
 public:
  Arena() {
    base_ = static_cast<char*>(::mmap(nullptr, kArenaBytes, PROT_NONE,
                                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    TORCH_CHECK(base_ != MAP_FAILED, "second device: no address space");
    free_[0] = kArenaBytes;
  }

  void* allocate(size_t n) {
    const std::lock_guard lock(mutex_);
    n = (std::max<size_t>(n, 1) + 63) / 64 * 64;
    for (auto block = free_.begin(); block != free_.end(); ++block) {
      if (block->second < n) continue;
      const size_t at = block->first, left = block->second - n;
      free_.erase(block);
      if (left > 0) free_[at + n] = left;
      used_[at] = n;
      end_ = std::max(end_, at + n);
      if (open_ > 0) protect(PROT_READ | PROT_WRITE);
      return base_ + at;
    }
    TORCH_CHECK_WITH(OutOfMemoryError, false, "second device: out of memory");
  }

  void release(void* pointer) {
    const std::lock_guard lock(mutex_);
    const auto used = used_.find(static_cast<size_t>(static_cast<char*>(pointer) - base_));
    auto [block, added] = free_.insert(*used);
    used_.erase(used);
    const auto next = std::next(block);
    if (next != free_.end() && block->first + block->second == next->first) {
      block->second += next->second;
      free_.erase(next);
    }
    if (block == free_.begin()) return;
    const auto before = std::prev(block);
    if (before->first + before->second != block->first) return;
    before->second += block->second;
    free_.erase(block);
  }

  void open() {
    const std::lock_guard lock(mutex_);
    if (open_++ == 0) protect(PROT_READ | PROT_WRITE);
  }
  void close() {
    const std::lock_guard lock(mutex_);
    if (--open_ == 0) protect(PROT_NONE);
  }

 private:
  void protect(int rights) { ::mprotect(base_, (end_ + kPage - 1) / kPage * kPage, rights); }

  std::mutex mutex_;
  char* base_ = nullptr;
  std::map<size_t, size_t> free_, used_;  // offset -> bytes
  size_t end_ = 0;                        // behind all that was ever handed out
  int open_ = 0;
};

Arena& arena() {
  static auto* arena = new Arena;  // tensors may outlive every other static
  return *arena;
}

struct Open {
  Open() { arena().open(); }
  ~Open() { arena().close(); }
};

void release(void* pointer) { arena().release(pointer); }

struct Allocator : c10::Allocator {
  c10::DataPtr allocate(size_t n) override {
    void* pointer = arena().allocate(n);
    return {pointer, pointer, &release, c10::Device(kType, 0)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t n) const override {
    const Open open;
    default_copy_data(to, from, n);
  }
};

using Time = std::chrono::steady_clock::time_point;

/// One device, always current.
struct Guard : c10::impl::NoOpDeviceGuardImpl<kType> {
  c10::Device exchangeDevice(c10::Device) const override { return {kType, 0}; }
  c10::Device getDevice() const override { return {kType, 0}; }
  c10::Stream getStream(c10::Device) const noexcept override {
    return c10::Stream(c10::Stream::DEFAULT, c10::Device(kType, 0));
  }
  // An event is the host's clock: every operator is done when it returns.
  void record(void** event, const c10::Stream&, c10::DeviceIndex, c10::EventFlag) const override {
    if (!*event) *event = new Time;
    *static_cast<Time*>(*event) = std::chrono::steady_clock::now();
    ++g_events;
  }
  void synchronizeEvent(void*) const override {}
  bool queryEvent(void*) const override { return true; }
  void destroyEvent(void* event, c10::DeviceIndex) const noexcept override {
    delete static_cast<Time*>(event);
  }
  double elapsedTime(void* begin, void* end, c10::DeviceIndex) const override {
    return std::chrono::duration<double, std::milli>(*static_cast<Time*>(end) -
                                                     *static_cast<Time*>(begin))
        .count();
  }
  c10::Stream exchangeStream(c10::Stream) const noexcept override {
    return c10::Stream(c10::Stream::DEFAULT, c10::Device(kType, 0));
  }
};

struct Hooks : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
};

/// A CPU tensor over the device's own memory; valid while the arena is open.
at::Tensor as_cpu(const at::Tensor& x) {
  if (!x.defined() || x.device().type() != kType) return x;
  const c10::Storage& storage = x.storage();
  c10::Storage own(c10::Storage::use_byte_size_t(), storage.nbytes(),
                   c10::DataPtr(storage.mutable_data(), c10::Device(c10::kCPU)));
  at::Tensor out = at::detail::make_tensor<c10::TensorImpl>(
      std::move(own), c10::DispatchKeySet(c10::DispatchKey::CPU), x.dtype());
  out.unsafeGetTensorImpl()->set_sizes_and_strides(x.sizes(), x.strides(), x.storage_offset());
  return out;
}

void refuse_host_tensor(const c10::OperatorHandle& op, const at::Tensor& x) {
  if (x.defined() && x.is_cpu() && x.dim() > 0)
    TORCH_CHECK(false, "second device: ", op.schema().name(), " is given a CPU tensor of shape ",
                x.sizes(), " beside one of the device");
}

void run_boxed(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto arguments = torch::jit::last(*stack, op.schema().arguments().size());
  for (const c10::IValue& value : arguments) {
    if (value.isTensor()) refuse_host_tensor(op, value.toTensor());
    if (value.isTensorList())
      for (const at::Tensor& each : value.toTensorVector()) refuse_host_tensor(op, each);
  }
  const int64_t to_host = g_to_host, to_device = g_to_device, waits = g_waits;
  {
    const Open open;
    at::native::cpu_fallback(op, stack, /*error_on_views=*/true);
  }
  // The copies that stand for the operator's own reading and writing are no transfers.
  const int64_t read = op.schema().name() == "aten::_local_scalar_dense" ? 1 : 0;
  g_to_host = to_host + read;
  g_to_device = to_device;
  g_waits = waits + read;
}

at::Tensor empty(c10::IntArrayRef size, std::optional<at::ScalarType> dtype,
                 std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>,
                 std::optional<at::MemoryFormat> format) {
  static Allocator allocator;
  return at::detail::empty_generic(size, &allocator,
                                   c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                   dtype.value_or(at::kFloat), format);
}

at::Tensor empty_strided(c10::IntArrayRef size, c10::IntArrayRef stride,
                         std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
                         std::optional<at::Device>, std::optional<bool>) {
  static Allocator allocator;
  return at::detail::empty_strided_generic(size, stride, &allocator,
                                           c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                           dtype.value_or(at::kFloat));
}

at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool non_blocking) {
  g_to_host += to.is_cpu();
  g_to_device += from.is_cpu();
  g_waits += to.is_cpu() || (from.is_cpu() && !non_blocking);
  const Open open;
  as_cpu(to).copy_(as_cpu(from));
  return to;
}

const at::Tensor& resize(const at::Tensor& x, c10::IntArrayRef size,
                         std::optional<at::MemoryFormat>) {
  if (x.sizes() == size) return x;  // a view that is written in place keeps its strides
  auto* impl = x.unsafeGetTensorImpl();
  impl->set_sizes_contiguous(size);
  const size_t bytes = (x.numel() + x.storage_offset()) * x.element_size();
  const c10::Storage& storage = impl->unsafe_storage();
  if (storage.nbytes() >= bytes) return x;
  c10::DataPtr larger = Allocator().allocate(bytes);
  if (storage.nbytes() > 0) Allocator().copy_data(larger.get(), storage.data(), storage.nbytes());
  storage.set_data_ptr_noswap(std::move(larger));
  storage.set_nbytes(bytes);
  return x;
}

at::Tensor copy_from_and_resize(const at::Tensor& from, const at::Tensor& to) {
  to.resize_(from.sizes());
  return copy_from(from, to, false);
}

}  // namespace second_device_detail
}  // namespace sublab

C10_REGISTER_GUARD_IMPL(PrivateUse1, sublab::second_device_detail::Guard);

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(
      torch::CppFunction::makeFromBoxedFunction<&sublab::second_device_detail::run_boxed>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  namespace own = sublab::second_device_detail;
  library.impl("empty.memory_format", &own::empty);
  library.impl("empty_strided", &own::empty_strided);
  library.impl("_copy_from", &own::copy_from);
  library.impl("_copy_from_and_resize", &own::copy_from_and_resize);
  library.impl("resize_", &own::resize);
  library.impl("as_strided", &at::native::as_strided_tensorimpl);
  library.impl("unfold", &at::native::unfold);
  library.impl("view", &at::native::view);
  library.impl("_reshape_alias", &at::native::_reshape_alias);
}

namespace sublab {

at::Device second_device() {
  static second_device_detail::Allocator allocator;
  static const bool registered = [] {
    c10::SetAllocator(second_device_detail::kType, &allocator);
    c10::register_privateuse1_backend("second");
    at::RegisterPrivateUse1HooksInterface(new second_device_detail::Hooks);
    return true;
  }();
  (void)registered;
  return {second_device_detail::kType, 0};
}

Transfers::Transfers() {
  second_device_detail::g_to_host = 0;
  second_device_detail::g_to_device = 0;
  second_device_detail::g_waits = 0;
}
Transfers::~Transfers() = default;
int64_t Transfers::to_host() const { return second_device_detail::g_to_host; }
int64_t Transfers::to_device() const { return second_device_detail::g_to_device; }
int64_t Transfers::waits() const { return second_device_detail::g_waits; }

int64_t n_device_events() { return second_device_detail::g_events; }

}  // namespace sublab
