#include "kube/reflector_set.hpp"

#include <utility>

namespace tc::kube {

reflector_set::reflector_set(cluster& target, reflector_sink& sink, std::function<timestamp()> clock,
                             std::uint64_t seed)
    : target_(target), sink_(sink), clock_(std::move(clock)), seed_(seed),
      versions_(std::make_unique<discovery>(target_, clock_)) {
  // nop
}

reflector_set::~reflector_set() {
  stop();
}

void reflector_set::add(const watched_kind& kind, reflector_options options) {
  options.seed = seed_ + 16 * reflectors_.size();
  reflectors_.push_back(std::make_unique<reflector>(reflector_context{target_, *versions_, sink_, clock_},
                                                    kind, std::move(options)));
}

void reflector_set::start() {
  for (auto& entry : reflectors_)
    entry->start();
}

void reflector_set::stop() {
  for (auto& entry : reflectors_)
    entry->stop();
}

std::vector<reflector::snapshot> reflector_set::look() const {
  std::vector<reflector::snapshot> result;
  for (const auto& entry : reflectors_)
    result.push_back(entry->look());
  return result;
}

std::vector<std::string> reflector_set::waiting_for() const {
  std::vector<std::string> result;
  for (const auto& view : look()) {
    if (view.synced || view.status == reflector_status::absent)
      continue;
    auto line = view.resource.to_string() + ": " + std::string{to_string(view.status)};
    result.push_back(view.reason.empty() ? line : line + ", " + view.reason);
  }
  return result;
}

} // namespace tc::kube
