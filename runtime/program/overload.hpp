#pragma once

// Keeps a process that is told more than it can work off from falling ever further behind: what waits is
// bounded by not reading on, and where that lasts, observations are left out, in the order of
// trace/shedding.hpp.

#include "messages/actors.hpp"
#include "trace/shedding.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <optional>

namespace tc::runtime {

class overload {
public:
  /// What is left out once the pressure has lasted for so long.
  struct step {
    trace::shed_level level;
    duration after;
  };
  /// A burst of a few seconds only waits: a relist, or a commit to everything. An API server has cut a watch
  /// that has not been read only after it could not send for that long, and holds minutes of events for it to
  /// go on from.
  static constexpr std::array steps{step{trace::shed_level::repeated, std::chrono::seconds{5}},
                                    step{trace::shed_level::phases, std::chrono::seconds{15}},
                                    step{trace::shed_level::idle_runs, std::chrono::seconds{30}}};

  using told_level = std::function<void(trace::shed_level)>;
  using told_loss = std::function<void(const observation&, trace::shed_level)>;

  /// `changed` is told of every other level, `left_out` of each observation.
  overload(told_level changed, told_loss left_out);

  /// To be called now and then: `waiting` of at most `bound` observations are not worked off. Three quarters
  /// are pressure; it ends below a half.
  void look(std::size_t waiting, std::size_t bound, timestamp now);

  /// Returns what is to be handed on: the same batch where all is, null where nothing is.
  observation_batch_ptr sift(observation_batch_ptr batch);

  trace::shed_level level() const { return level_; }

private:
  told_level changed_;
  told_loss left_out_;
  trace::shedding shedding_;
  trace::shed_level level_ = trace::shed_level::nothing;
  std::optional<timestamp> since_; ///< of the pressure
};

} // namespace tc::runtime
