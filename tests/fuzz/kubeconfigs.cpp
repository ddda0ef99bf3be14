#include "kube/kubeconfig.hpp"
#include "kube/pem.hpp"
#include "tests/fuzz/targets.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <unistd.h>

namespace tc::fuzz {

void kubeconfigs(std::string_view bytes) {
  kube::certificate_end(std::string{bytes});
  // In memory where there is such a folder: the disk would be the bottleneck.
  static const auto folder = std::filesystem::is_directory("/dev/shm")
                                 ? std::filesystem::path{"/dev/shm"}
                                 : std::filesystem::temp_directory_path();
  static const auto file = folder / ("trace-controller-fuzz-" + std::to_string(::getpid()));
  static const bool registered = std::atexit([] { std::filesystem::remove(file); }) == 0;
  expect(registered, "the file will be removed");
  std::ofstream{file, std::ios::binary} << bytes;
  auto context = kube::load_kubeconfig({file}, "");
  if (context) {
    expect(!context->server.ends_with('/'), "a server has no slash at its end");
    context->place();
  } else {
    expect(!context.error().message.empty(), "an error says what is wrong");
  }
}

} // namespace tc::fuzz
