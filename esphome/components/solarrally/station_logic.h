#pragma once

#include <cmath>
#include <deque>

#include "contactor_logic.h"
#include "fault_logic.h"
#include "limit_logic.h"
#include "meter_logic.h"
#include "pilot_logic.h"
#include "session_logic.h"
#include "source_logic.h"
#include "types.h"

namespace evstation {

/// Where the current limit follows the sun.
enum class Follow : uint8_t {
  OFF,    ///< nowhere
  SOLAR,  ///< while the solar source is used
  /// On both sources: surplus charging where the panels feed the house and the car draws from the house.
  SURPLUS,
};

/// What the station does when neither a broker nor Home Assistant has been there for a while.
enum class ControlLost : uint8_t { KEEP, LIMIT, STOP };

struct StationSettings {
  ContactorSettings contactors;
  SourceSettings source;
  PilotSettings pilot;
  FollowSettings follow;
  MeterSettings meters[SOURCES];
  DarkLineSettings solar_line;
  SessionSettings session;
  Follow follow_on = Follow::OFF;
  bool has_pilot = false;
  bool wired[SOURCES] = {true, true};
  float min_current_a = 6.0f;
  float max_current_a = 32.0f;
  float cable_current_a = 32.0f;
  /// How long a car may take to stop drawing after the pilot said stop: 3 s (IEC 61851-1, Table A.6).
  Millis stop_timeout_ms = 3000;
  /// How long an offer stays before it rises again: a car may take 5 s to follow it (IEC 61851-1, Table A.6), and one that
  /// is told anew before it has followed may never settle.
  Millis raise_interval_ms = 5000;
  /// A car that draws less than this has stopped.
  float stopped_current_a = 1.0f;
  /// A car that draws more than its limit and this share of it, for this long, is an overcurrent.
  float overcurrent_share = 0.1f;
  float overcurrent_margin_a = 1.0f;
  Millis overcurrent_ms = 10000;
  Millis control_lost_after_ms = 600000;
  ControlLost control_lost = ControlLost::KEEP;
  float control_lost_current_a = 6.0f;
  /// A main loop, or a gap between two steps, that lasts longer than this is a stall; it is reported for a minute.
  Millis stall_ms = 1000;
};

/// What the station sees in one step.
struct StationInputs {
  Millis now_ms = 0;
  bool aux_closed[SOURCES] = {false, false};
  float pilot_high_v = NAN;
  float pilot_low_v = NAN;
  /// Power the sun could give to the car, what the car takes now included, W. NaN when not known.
  float available_solar_w = NAN;
  /// A broker or Home Assistant is there.
  bool controlled = true;
  /// A firmware update is under way: everything off.
  bool updating = false;
  /// A restart is wanted, or an update about to begin: the car is stopped, then everything is off.
  bool restarting = false;
  /// When the main loop, which has a task of its own, last turned; negative before its first turn.
  Millis turned_ms = -1;
};

/// What there is to say, in a word, to a person in front of the station.
enum class Status : uint8_t {
  STARTING,
  OFF,
  NO_VEHICLE,
  STOPPED,
  WAITING_FOR_SUN,
  NO_SOURCE,
  READY,
  CHARGING,
  FAULT,
  UPDATING,
};
const char *to_text(Status status);

enum class EventType : uint8_t {
  PLUGGED,
  UNPLUGGED,
  SESSION_STARTED,
  SESSION_ENDED,
  SOURCE_CHANGED,
  FAULT_RAISED,
  FAULT_CLEARED,
};

/// Something that happened. Fields that do not belong to the type are left alone.
struct StationEvent {
  EventType type;
  Millis at_ms = 0;
  Source from = Source::NONE;
  Source to = Source::NONE;
  const char *reason = "";
  Fault fault = Fault::COUNT;
  Session session;
  Registers stop;
};

/// The whole station: from what it sees to what it drives, without hardware, network or clock.
///
/// Call `feed` for each meter reading and `step` often (every 20 ms or so); then drive `coil` and `pilot_duty`.
class Station {
 public:
  explicit Station(const StationSettings &settings);

  /// Name the boot, and carry over the session that power loss cut, if there was one.
  void begin(uint32_t boot, const Session *open_session);

  /// Take a meter's reading.
  Doubt feed(int index, Millis now_ms, const Reading &reading);
  void step(const StationInputs &inputs);

  // What the owner wants.
  void set_mode(Mode mode) { this->mode_ = mode; }
  Mode mode() const { return this->mode_; }
  /// @return false, and nothing changes, outside `min_current_a` to `max_current_a`
  bool set_current_limit(float current_a);
  float current_limit_a() const { return this->user_limit_a_; }
  void set_enabled(bool enabled) { this->enabled_ = enabled; }
  bool enabled() const { return this->enabled_; }
  /// Clear latched faults whose cause is gone.
  /// @return whether no latched fault is left
  bool reset_faults();

  // What to drive.
  bool coil(int index) const { return this->contactors_.coil(index); }
  /// 0 to 1; 1 is the steady +12 V that offers nothing.
  float pilot_duty() const { return this->duty_; }

  // What is so.
  /// Where power comes from now: the closed contactor, or one that cannot open.
  Source source() const { return this->source_; }
  PilotState pilot() const { return this->pilot_.state(); }
  bool charging() const { return this->charging_; }
  bool vehicle() const { return !this->settings_.has_pilot || has_vehicle(this->pilot_.state()); }
  const Faults &faults() const { return this->faults_; }
  Status status() const { return this->status_; }
  /// The limit that is offered to the car now, A; 0 when none is.
  float offered_current_a() const { return this->offered_a_; }
  const Contactors &contactors() const { return this->contactors_; }
  const Meter &meter(int index) const { return this->meters_[index]; }
  const Sessions &sessions() const { return this->sessions_; }
  const SourceSelector &selector() const { return this->selector_; }
  const StationSettings &settings() const { return this->settings_; }
  Registers registers() const;

  /// One meter as it counts now: nothing flows through an open contactor, whatever a reading from before says.
  /// @return whether there is a reading to speak of
  bool reading(int index, Reading *reading) const;

  std::deque<StationEvent> &events() { return this->events_; }

 protected:
  bool sunny_(const StationInputs &inputs) const;
  void judge_meters_(const StationInputs &inputs);
  void judge_pilot_(const StationInputs &inputs);
  void judge_control_(const StationInputs &inputs);
  void judge_overcurrent_();
  void judge_leak_();
  void drive_(const StationInputs &inputs);
  void follow_sessions_();
  void report_(const StationInputs &inputs);
  Status judge_status_(const StationInputs &inputs) const;
  float flowing_a_(Millis since_ms) const;
  Fault welded_() const;

  StationSettings settings_;
  Contactors contactors_;
  SourceSelector selector_;
  Pilot pilot_;
  SolarFollower follower_;
  PacedLimit paced_;
  Meter meters_[SOURCES];
  DarkLine solar_line_;
  Sessions sessions_;

  Mode mode_ = Mode::OFF;
  float user_limit_a_;
  bool enabled_ = true;
  Millis now_ms_ = 0;
  bool started_ = false;
  Faults faults_;
  Faults reported_faults_;
  bool leak_[SOURCES] = {false, false};
  bool overcurrent_ = false;
  Millis within_limit_ms_ = 0;
  Millis controlled_ms_ = 0;
  bool control_lost_ = false;
  Millis stalled_ms_ = -3600000;
  Source requested_ = Source::NONE;
  bool stopping_ = false;
  Millis stopping_since_ms_ = 0;
  float limit_a_ = 0.0f;
  float offered_a_ = 0.0f;
  float duty_ = 1.0f;
  Source source_ = Source::NONE;
  Source reported_source_ = Source::NONE;
  bool charging_ = false;
  bool was_vehicle_ = false;
  Status status_ = Status::STARTING;
  std::deque<StationEvent> events_;
};

}  // namespace evstation
