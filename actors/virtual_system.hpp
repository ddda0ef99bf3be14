#pragma once

// The whole actor system in virtual time: one thread, messages handled in the order they were sent, a clock
// that moves when told. `replay` runs a recording in it, tests look into it. Nothing in here knows files or
// terminals.

#include "actors/controller.hpp"
#include "messages/actors.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace tc::actors {

class virtual_system {
public:
  /// Time between two ticks, as the controller has it.
  static constexpr duration usual_tick = std::chrono::milliseconds{100};

  /// What is due is judged at the first tick after.
  explicit virtual_system(controller_setup setup, duration tick = usual_tick);
  /// Ends every actor and waits for it.
  ~virtual_system();
  virtual_system(const virtual_system&) = delete;
  virtual_system& operator=(const virtual_system&) = delete;

  void apply(trace_resource_ptr spec);
  void remove(const std::string& uid);
  /// Another process takes the Trace over.
  void drain(const std::string& uid);
  void depart(departure_ptr what);
  /// The process is about to end.
  void drain();
  void apply(provider_binding_ptr binding);
  void apply(delivered_spans_ptr told);
  /// From now on it exports and reports; where the setup says that it does not from the start.
  void lead();

  /// Lets time pass until `at`, then hands the observation in.
  void observe(observation_ptr fact, timestamp at);
  /// Lets time pass until `at`: ticks on the way.
  void advance(timestamp at);
  /// A tick out of turn.
  void tick(timestamp at);
  /// Lets time pass until every change has settled and is delivered or dropped. Returns whether that was so
  /// before `limit` had passed.
  bool settle(duration limit);

  timestamp now() const;
  controller_books_ptr books();

  /// Called before each message with the name of the actor that will handle it; returning true kills that
  /// actor instead, as a crash would.
  void set_saboteur(std::function<bool(std::string_view actor_name)> saboteur);
  /// Returns how many messages were handled.
  std::size_t messages() const;

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace tc::actors
