#pragma once

// Which objects have to do with a change. Whoever takes it: its sources, what follows these or is made of
// them, what that applies, and so on down. And what decides which change each of those takes: all that it
// hangs under, up to the sources. What merely hangs under the same parent has nothing to do with it, so that
// a change costs what it concerns and not what the cluster holds.

#include "messages/ids.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tc::trace {

class reach {
public:
  /// The child is made of the parent, follows it, reads it or was applied by it: it takes the parent's
  /// changes.
  void link(const object_id& child, const object_id& parent) { link(child, parent, true); }
  /// The child only looks at the parent: it waits for it, say.
  void look(const object_id& child, const object_id& parent) { link(child, parent, false); }
  /// The source has, or had, that content.
  void content(const object_id& source, const std::string& key);
  /// Something that follows the source was at that content once; the source may have been.
  void recorded(const object_id& source, const std::string& key) { add_content(source, key); }

  /// A change of that content is open, and the object takes it. May be called for several objects.
  void open(const std::string& change, const object_id& object);
  /// The change of that name is no longer open.
  void close(const std::string& change);
  bool is_open(const std::string& change) const { return slots_.contains(change); }

  /// Returns the open changes that the object has to do with, in the order of their opening.
  std::vector<std::string> changes_of(const object_id& object) const;
  /// Returns the objects that have to do with an open change, and whether they take it; none for another.
  std::vector<std::pair<object_id, bool>> members(const std::string& change) const;

  /// Returns what has come to have to do with which change since the last call.
  std::vector<std::pair<std::string, object_id>> take_grown();

  /// Forgets all links, but not which changes are open; link() draws them anew.
  void clear_links();

private:
  using number = std::uint32_t;
  struct edge {
    number to = 0;
    bool takes = false; ///< hangs under it, and does not only look at it
  };
  struct node {
    object_id id;
    std::vector<edge> up;
    std::vector<number> down;    ///< what takes its changes
    std::vector<number> changes; ///< slots of the open changes that it has to do with
    bool seen_content = false;   ///< a source of which a content is known
  };
  struct slot {
    std::string change;
    std::unordered_map<number, bool> members; ///< and whether they take it
    std::vector<object_id> anchors;
  };

  number number_of(const object_id& object);
  const node* find(const object_id& object) const;
  number content_number(const std::string& key);
  void link(const object_id& child, const object_id& parent, bool takes);
  number add_content(const object_id& source, const std::string& key);
  void add_up(number child, number parent, bool takes);
  void take(number change, number object);
  void look_at(number change, number object);
  void spread_from(number change, const object_id& anchor);

  std::unordered_map<object_id, number> numbers_;
  std::vector<node> nodes_;
  std::unordered_map<std::string, number> slots_;
  std::unordered_map<number, slot> open_;
  std::unordered_map<number, std::vector<number>> slots_at_; ///< by the number of a content
  number next_slot_ = 0;
  std::vector<std::pair<number, number>> grown_;
};

} // namespace tc::trace
