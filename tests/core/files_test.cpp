// Durable writes, npy and safetensors, hostile files included.
#include "core/files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>

#include "core/error.h"
#include "core/hash.h"
#include "core/hints.h"
#include "core/json_parts.h"
#include "core/json_text.h"
#include "core/npz.h"
#include "core/process.h"
#include "core/random.h"
#include "core/safetensors.h"
#include "core/temporary_files.h"
#include "tests/temporary_folder.h"

using namespace sublab;
using Catch::Contains;

TEST_CASE("SHA-256 gives the published digests", "[unit]") {
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 hash;
  for (int i = 0; i < 10000; ++i) hash.update(std::string(100, 'a'));
  CHECK(hash.hex() == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("a durable write leaves the old file or the new one", "[unit]") {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "a/b.txt";
  write_file_durably(path, "one");
  write_file_durably(path, "two");
  CHECK(read_file(path) == "two");
  const auto fail = [](std::ostream& out) {
    out << "half";
    throw UserError("stopped");
  };
  CHECK_THROWS(write_file_durably(path, fail));
  CHECK(read_file(path) == "two");
  CHECK(std::distance(fs::directory_iterator(path.parent_path()), fs::directory_iterator()) == 1);
  CHECK_THROWS_WITH(write_file_durably("/proc/sublab/x", "x"), Contains("cannot make this folder"));
  CHECK_THROWS_WITH(read_file(folder.path), Contains("is a folder"));
}

TEST_CASE("npy arrays survive a round trip and damaged ones are refused", "[unit]") {
  const TemporaryFolder folder;
  write_npy(folder.path / "x.npy", std::vector<double>{1, 2.5, -3, 4, 5, 6}, {2, 3});
  const NpyArray back = read_npy(folder.path / "x.npy");
  CHECK(back.shape == std::vector<int64_t>{2, 3});
  CHECK(back.as_doubles()[1] == 2.5);
  std::string bytes = read_file(folder.path / "x.npy");
  write_file_durably(folder.path / "y.npy", bytes.substr(0, bytes.size() - 1));
  CHECK_THROWS_WITH(read_npy(folder.path / "y.npy"), Contains("does not fit its shape"));
  write_file_durably(folder.path / "y.npy", "\x93NUMPY\x01" + std::string(1, '\0') + "\xf0\xff" +
                                                "{'descr': '<f8', " + std::string(65535, ' '));
  CHECK_THROWS_WITH(read_npy(folder.path / "y.npy"), Contains("header too long"));
  write_file_durably(folder.path / "y.npy", "nothing");
  CHECK_THROWS_WITH(read_npy(folder.path / "y.npy"), Contains("damaged npy file"));
}

TEST_CASE("equal members give equal npz files, and damaged ones are refused", "[unit]") {
  const TemporaryFolder folder;
  const NpyMembers members = {{"task-1/x", npy_array(std::vector<double>{1, 2.5, -3}, {3})},
                              {"curve", npy_array(std::vector<int64_t>(1000, 7), {10, 100})},
                              {"none", npy_array(std::vector<double>{}, {0, 2})}};
  write_npz(folder.path / "a.npz", members);
  write_npz(folder.path / "b.npz", members);
  const std::string bytes = read_file(folder.path / "a.npz");
  CHECK(bytes == read_file(folder.path / "b.npz"));
  CHECK(bytes.size() < 2000);  // 8,000 bytes of sevens
  CHECK(bytes.starts_with("PK"));
  const NpzFile file(folder.path / "a.npz");
  CHECK(file.names() == std::vector<std::string>{"curve", "none", "task-1/x"});
  CHECK(file.contains("task-1/x"));
  CHECK_FALSE(file.contains("x"));
  CHECK(file.read("task-1/x").as_doubles() == std::vector<double>{1, 2.5, -3});
  CHECK(file.read("curve").shape == std::vector<int64_t>{10, 100});
  CHECK(file.read("none").n_elements() == 0);
  CHECK(file.bytes("curve") == npy_bytes(members.at("curve")));
  CHECK_THROWS_WITH(file.read("x"), Contains("a.npz: holds no x.npy"));
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    write_file_durably(folder.path / "c.npz", damaged);
    size_t n_read = 0;
    try {
      n_read = read_npz(folder.path / "c.npz").size();
    } catch (const UserError&) {
    }
    CHECK(n_read <= members.size());  // refused, or a byte that says nothing
  }
  write_file_durably(folder.path / "c.npz", bytes.substr(0, bytes.size() / 2));
  CHECK_THROWS_WITH(NpzFile(folder.path / "c.npz"), Contains("damaged npz file"));
  write_npz(folder.path / "c.npz", {{"aa", members.at("curve")}, {"bb", members.at("none")}});
  std::string twice = read_file(folder.path / "c.npz");
  for (size_t at = twice.find("bb.npy"); at != std::string::npos; at = twice.find("bb.npy"))
    twice.replace(at, 2, "aa");
  write_file_durably(folder.path / "c.npz", twice);
  CHECK_THROWS_WITH(NpzFile(folder.path / "c.npz"), Contains("damaged npz file"));
  write_npz(folder.path / "c.npz", {{"", members.at("curve")}});
  CHECK_THROWS_WITH(NpzFile(folder.path / "c.npz"), Contains("holds '.npy', which is no array"));
}

TEST_CASE("JSON stands line by line down to a depth", "[unit]") {
  const nlohmann::json value = {{"a", {{"x", {1, 2}}, {"y", 0.5}}}, {"b", {1, {2, 3}}}, {"c", {}}};
  CHECK(json_text(value, 1) ==
        "{\n \"a\": {\"x\":[1,2],\"y\":0.5},\n \"b\": [1,[2,3]],\n \"c\": null\n}\n");
  CHECK(nlohmann::json::parse(json_text(value, 2)) == value);
}

namespace {

void write_raw_safetensors(const fs::path& path, const std::string& header, size_t data_bytes) {
  std::string file(8, '\0');
  const uint64_t size = header.size();
  std::memcpy(file.data(), &size, 8);
  write_file_durably(path, file + header + std::string(data_bytes, 'x'));
}

}  // namespace

TEST_CASE("safetensors survive a round trip", "[unit]") {
  const TemporaryFolder folder;
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(values.data()), 24);
  write_safetensors(folder.path / "m.safetensors",
                    {{"a", {"F32", {2, 3}, bytes}}, {"empty", {"F32", {0}, {}}}},
                    {{"format", "pt"}});
  const SafetensorsFile file(folder.path / "m.safetensors");
  CHECK(file.tensors().at("a").shape == std::vector<int64_t>{2, 3});
  CHECK(std::equal(bytes.begin(), bytes.end(), file.tensors().at("a").bytes.begin()));
  CHECK(file.metadata().at("format") == "pt");
}

TEST_CASE("hostile safetensors are refused with a reason", "[unit]") {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "m.safetensors";
  const auto refuses = [&](const std::string& header, size_t data, const std::string& why) {
    write_raw_safetensors(path, header, data);
    INFO(header);
    CHECK_THROWS_WITH(SafetensorsFile(path), Contains(why));
  };
  refuses("[]", 0, "header is no object");
  refuses("{", 0, "not valid JSON");
  refuses(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 4, "lies outside the file");
  refuses(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8, "lies outside the file");
  refuses(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8, "does not fit its bytes");
  refuses(
      R"({"a":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,8]}})", 8,
      "does not fit its bytes");
  refuses(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8, "out of range");
  refuses(R"({"a":{"dtype":"Q4","shape":[2],"data_offsets":[0,8]}})", 8, "unknown dtype");
  refuses(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", 8, "no pair of offsets");
  refuses(R"({"a":{"dtype":"F32","shape":[2]}})", 8, "no pair of offsets");
  refuses(
      R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
      4, "overlap");
  refuses(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, "hole");
  refuses(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 8, "left over");
  refuses(
      R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
      4, "stands twice");
  write_file_durably(path, std::string("\xff\xff\xff\xff\xff\xff\xff\x7f", 8) + "{}");
  CHECK_THROWS_WITH(SafetensorsFile(path), Contains("cut off or too large"));
  write_file_durably(path, "abc");
  CHECK_THROWS_WITH(SafetensorsFile(path), Contains("shorter than its header"));
}

TEST_CASE("random damage to a safetensors file never does worse than an error", "[unit]") {
  const TemporaryFolder folder;
  const std::vector<uint8_t> data(64, 7);
  write_safetensors(
      folder.path / "m.safetensors",
      {{"a", {"F32", {4, 2}, {data.data(), 32}}}, {"b", {"F16", {16}, {data.data(), 32}}}}, {});
  const std::string good = read_file(folder.path / "m.safetensors");
  RandomSequence random(1, "damage");
  int refused = 0;
  for (int i = 0; i < 400; ++i) {
    std::string bad = good;
    for (int k = 0; k < 3; ++k) bad[random.below(bad.size())] = static_cast<char>(random.next());
    if (i % 3 == 0) bad.resize(random.below(bad.size()));
    write_file_durably(folder.path / "bad.safetensors", bad);
    try {
      const SafetensorsFile file(folder.path / "bad.safetensors");
    } catch (const UserError&) {
      ++refused;
    }
  }
  CHECK(refused > 200);
}

TEST_CASE("a lock is held by one at a time", "[unit]") {
  const TemporaryFolder folder;
  const FileLock first(folder.path / "lock");
  CHECK(first.held());
  CHECK_FALSE(FileLock(folder.path / "lock", false).held());
}

TEST_CASE("a pipe or a device is written into, a link stays a link", "[unit]") {
  const TemporaryFolder folder;
  const fs::path file = folder.path / "file", link = folder.path / "link";
  write_file_durably(file, "before");
  fs::create_symlink(file, link);
  write_file_durably(link, "after");
  CHECK(fs::is_symlink(link));
  CHECK(read_file(file) == "after");
  const fs::path full = folder.path / "full";
  fs::create_symlink("/dev/full", full);
  CHECK_THROWS_WITH(write_file_durably(full, "text"), Contains("cannot write"));
  CHECK(fs::is_symlink(full));
  CHECK(fs::is_character_file("/dev/full"));
}

TEST_CASE("what a killed process left half-written is known by its name", "[unit]") {
  CHECK(is_temporary_name("loss_curve.npy.tmp123"));
  for (const char* name : {"loss_curve.npy", "a.tmp", "a.tmpx1", "a.tmp12x", ".tmp12", "a.tmp-1"})
    CHECK_FALSE(is_temporary_name(name));
  const TemporaryFolder folder;
  const std::string own = "b.npy.tmp" + std::to_string(::getpid());
  for (const std::string& name : {std::string("a.npy"), std::string("a.npy.tmp999999999"), own})
    write_file_durably(folder.path / name, "x");
  remove_left_overs(folder.path, Writers::gone, "b");
  CHECK(fs::exists(folder.path / "a.npy.tmp999999999"));
  remove_left_overs(folder.path, Writers::gone);
  CHECK_FALSE(fs::exists(folder.path / "a.npy.tmp999999999"));
  CHECK(fs::exists(folder.path / own));
  remove_left_overs(folder.path, Writers::any);
  CHECK_FALSE(fs::exists(folder.path / own));
  CHECK(fs::exists(folder.path / "a.npy"));
  remove_left_overs(folder.path / "nowhere", Writers::any);
}

TEST_CASE("words of a hint survive a shell", "[unit]") {
  CHECK(shell_word("results/tiny") == "results/tiny");
  CHECK(shell_word("a b") == "'a b'");
  CHECK(shell_word("it's") == "'it'\\''s'");
  CHECK(shell_word("") == "''");
}

TEST_CASE("folders and files that cannot be read are named", "[unit]") {
  const TemporaryFolder folder;
  write_file_durably(folder.path / "b", "");
  write_file_durably(folder.path / "a", "");
  fs::create_symlink("loop", folder.path / "loop");
  const auto entries = folder_entries(folder.path);
  CHECK(entries.size() == 3);
  CHECK(entries[0].filename() == "a");
  CHECK_THROWS_WITH(folder_entries(folder.path / "none"),
                    Contains("none: cannot read this folder"));
  CHECK_THROWS_WITH(folder_entries(folder.path / "loop"),
                    Contains("loop: cannot read this folder"));
  CHECK_THROWS_WITH(read_file(folder.path / "loop"), Contains("loop: cannot read"));
  const Setting gone("TMPDIR", (folder.path / "gone").string());
  CHECK_THROWS_WITH(TemporaryFolder(), Contains("TMPDIR: names no folder"));
}

TEST_CASE("a folder of PATH that cannot be looked at is passed over", "[unit]") {
  const TemporaryFolder folder;
  fs::create_symlink("loop", folder.path / "loop");
  const std::string before = std::getenv("PATH");
  const Setting path("PATH", (folder.path / "loop").string() + ":" + before);
  CHECK(find_program("sh").has_value());
  CHECK_FALSE(find_program("no-such-program").has_value());
}

TEST_CASE("JSON is read without the parts that are not asked for", "[unit]") {
  const std::string text =
      R"({"a": {"b": [{"c": [1, {"d": 2}]}, 3], "e": 4}, "b": 5, "f": {"b": 6, "g": {"b": 7}}})";
  CHECK(parse_json_without(text, "x", {"a/b", "f/b"}) ==
        json{{"a", {{"e", 4}}}, {"b", 5}, {"f", {{"g", {{"b", 7}}}}}});
  CHECK(parse_json_without(text, "x", {"b", "g/b"}) == parse_json(text, "x"));
  CHECK_THROWS_AS(parse_json_without(R"({"a": {"b": [1, }})", "x", {"a/b"}), UserError);
}
