#include "data/shard_index.h"
#include "tests/support.h"

using namespace imago;
using namespace imago::test;
using data::parse_shard_index;

TEST_CASE("a shard index names the file of every tensor", "[shard_index]") {
  const auto files = parse_shard_index("F", R"({"metadata": {"total_size": 8, "deep": {"er": [1]}},
      "weight_map": {"b": "2.safetensors", "a.b": "1.safetensors"}})");
  CHECK(files ==
        std::map<std::string, std::string>{{"a.b", "1.safetensors"}, {"b", "2.safetensors"}});
  CHECK(parse_shard_index("F", R"({"weight_map": {}})").empty());
}

TEST_CASE("a shard index that cannot be used is refused", "[shard_index][errors]") {
  const auto refused = [](const std::string& text, const std::string& reason) {
    CHECK_THROWS_WITH(parse_shard_index("F", text), "shard index: F: " + reason);
  };
  for (const char* text : {"", "{", "[]", "1", "{\"weight_map\": {}} x", "{\"weight_map\": {},}"})
    refused(text, "it must be a JSON object");
  for (const char* text : {"{}", R"({"weight_map": []})", R"({"weight_map": "a"})"})
    refused(text, "it must have a weight_map");
  for (const char* shard : {"1", "null", "[]", "{}", R"("")", R"("..")", R"(".")", R"("../a")",
                            R"("/etc/passwd")", R"("a\\b")", R"("a\u0000b")"})
    refused(R"({"weight_map": {"a": )" + std::string(shard) + "}}",
            "the file of 'a' must be a name without folders");
  refused(R"({"weight_map": {"a": "x", "a": "y"}})", "'a' is there twice");
  refused(R"({"weight_map": {"a": "x"}, "weight_map": {}})", "'weight_map' is there twice");
  const std::string deep(100000, '[');
  refused(R"({"weight_map": )" + deep, "it must be a JSON object");
}
