// Runs a target on files and folders of files, when there is no libFuzzer: replay CORPUS...

#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/fuzz/fuzzing.hpp"

namespace {

namespace fs = std::filesystem;

void replay(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  if (!stream) throw fs::filesystem_error("cannot read", file, std::error_code());
  std::cout << file.filename().string() << std::endl;  // so that a crash follows its file's name
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t files = 0;
  for (const std::string& argument : std::vector<std::string>(argv + 1, argv + argc)) {
    if (fs::is_regular_file(argument)) {
      replay(argument);
      ++files;
      continue;
    }
    for (const auto& entry : fs::directory_iterator(argument)) {
      replay(entry.path());
      ++files;
    }
  }
  std::cout << files << " inputs replayed\n";
  return files > 0 ? 0 : 1;
}
