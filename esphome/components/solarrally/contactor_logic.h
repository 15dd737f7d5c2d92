#pragma once

#include "types.h"

namespace evstation {

/// Times of the two contactors, all in milliseconds.
struct ContactorSettings {
  /// Smallest time between the confirmed opening of one contactor and the closing of the other. It lets the arc die
  /// and the car's charger see a clean interruption.
  Millis dead_time_ms = 200;
  /// A contactor whose auxiliary contact still says closed this long after its coil went off is welded.
  Millis open_timeout_ms = 200;
  /// A contactor whose auxiliary contact still says open this long after its coil went on has failed.
  Millis close_timeout_ms = 300;
  /// Without an auxiliary contact an opening cannot be seen; it is taken for done this long after the coil went off.
  Millis assumed_release_ms = 100;
  /// Whether each contactor has an auxiliary contact, by source index.
  bool has_feedback[SOURCES] = {false, false};
};

/// What a contactor did that it must not. Latched until `Contactors::reset`.
enum class ContactorFault : uint8_t { NONE, WELDED, FAILED };

/// Two contactors of which at most one may ever be closed.
///
/// The caller asks for a source; `step` decides which coil may carry current. Whatever path leads there (a direct
/// change, off and on again, a fault in between, a boot), a coil goes on only when the other coil is off and the other
/// contactor has been open, without interruption, for the dead time. A fault opens both and stays until it is reset.
class Contactors {
 public:
  explicit Contactors(const ContactorSettings &settings) : settings_(settings) {}

  /// Ask for a source; `NONE` opens. Takes effect in the next `step`.
  void request(Source source) { this->requested_ = source; }

  /// Decide the coils.
  ///
  /// @param now_ms time since boot; a value before the last one is taken as the last one
  /// @param aux_closed what each auxiliary contact says, by source index; ignored where there is none
  void step(Millis now_ms, const bool (&aux_closed)[SOURCES]);

  /// Whether the coil of this source carries current.
  bool coil(int index) const { return this->sides_[index].coil; }
  /// The source whose contactor conducts: by its auxiliary contact where there is one, whatever the coil; otherwise from
  /// the moment its coil goes on until its release is over.
  Source connected() const;
  /// Whether both contactors are known to be open.
  bool all_open() const { return this->sides_[SOLAR].open && this->sides_[GRID].open; }
  /// Whether this contactor is known to be open, and since when.
  bool open(int index) const { return this->sides_[index].open; }
  Millis open_since(int index) const { return this->sides_[index].open_since_ms; }
  /// Whether this contactor conducts, and since when it does or does not.
  bool conducts(int index) const { return this->sides_[index].conducts; }
  Millis conducts_since(int index) const { return this->sides_[index].conducts_since_ms; }
  ContactorFault fault(int index) const { return this->sides_[index].fault; }
  bool faulted() const {
    return this->sides_[SOLAR].fault != ContactorFault::NONE || this->sides_[GRID].fault != ContactorFault::NONE;
  }

  /// Forget latched faults whose cause is gone: both contactors are open.
  /// @return whether no fault is left
  bool reset();

 protected:
  struct Side {
    bool coil = false;
    bool conducts = false;
    Millis conducts_since_ms = 0;
    Millis coil_changed_ms = 0;
    /// Known to be open, without interruption since `open_since_ms`.
    bool open = false;
    Millis open_since_ms = 0;
    /// Since when the auxiliary contact has said open while the coil is on.
    Millis dropped_since_ms = 0;
    ContactorFault fault = ContactorFault::NONE;
  };

  void observe_(int index, bool aux_closed);
  void set_conducts_(int index, bool conducts);
  void set_coil_(int index, bool on);
  bool may_close_(int index) const;

  ContactorSettings settings_;
  Side sides_[SOURCES];
  Source requested_ = Source::NONE;
  Millis now_ms_ = 0;
  bool started_ = false;
};

}  // namespace evstation
