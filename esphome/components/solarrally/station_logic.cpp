#include "station_logic.h"

#include <algorithm>

namespace evstation {

/// How long after an opening a meter's reading may still be of the time before it: two polls of a second.
static constexpr Millis METER_LAG_MS = 2500;
/// Power through an open contactor above this is not leakage of a surge arrester, W.
static constexpr float LEAK_POWER_W = 50.0f;
/// How long a stalled loop is reported.
static constexpr Millis STALL_REPORT_MS = 60000;
/// A queue of events that nobody takes is bounded; the oldest go.
static constexpr size_t MAX_EVENTS = 64;

const char *to_text(Status status) {
  switch (status) {
    case Status::STARTING:
      return "starting";
    case Status::NO_VEHICLE:
      return "no_vehicle";
    case Status::STOPPED:
      return "stopped";
    case Status::WAITING_FOR_SUN:
      return "waiting_for_sun";
    case Status::NO_SOURCE:
      return "no_source";
    case Status::READY:
      return "ready";
    case Status::CHARGING:
      return "charging";
    case Status::FAULT:
      return "fault";
    case Status::UPDATING:
      return "updating";
    default:
      return "off";
  }
}

Station::Station(const StationSettings &settings)
    : settings_(settings),
      contactors_(settings.contactors),
      selector_(settings.source),
      pilot_(settings.pilot),
      follower_(settings.follow),
      paced_(settings.has_pilot ? settings.raise_interval_ms : 0),
      meters_{Meter(settings.meters[SOLAR]), Meter(settings.meters[GRID])},
      solar_line_(settings.solar_line),
      sessions_(settings.session),
      user_limit_a_(settings.max_current_a) {}

void Station::begin(uint32_t boot, const Session *open_session) {
  this->sessions_.begin(boot);
  if (open_session != nullptr)
    this->sessions_.restore(*open_session);
}

bool Station::set_current_limit(float current_a) {
  if (!(current_a >= this->settings_.min_current_a && current_a <= this->settings_.max_current_a))
    return false;
  this->user_limit_a_ = current_a;
  return true;
}

Doubt Station::feed(int index, Millis now_ms, const Reading &reading) {
  return this->meters_[index].feed(now_ms, reading);
}

bool Station::reset_faults() {
  this->contactors_.reset();
  for (int index = 0; index < SOURCES; index++) {
    const Meter &meter = this->meters_[index];
    // A meter that is silent proves nothing: the other source would be closed onto a weld.
    if (meter.valid() && meter.reading().power_w <= LEAK_POWER_W)
      this->leak_[index] = false;
  }
  this->overcurrent_ = false;
  this->within_limit_ms_ = this->now_ms_;
  for (int index = 0; index < SOURCES; index++) {
    const ContactorFault fault = this->contactors_.fault(index);
    this->faults_.set(fault_at(Fault::SOLAR_CONTACTOR_WELDED, index),
                      fault == ContactorFault::WELDED || this->leak_[index]);
    this->faults_.set(fault_at(Fault::SOLAR_CONTACTOR_FAILED, index), fault == ContactorFault::FAILED);
  }
  this->faults_.set(Fault::OVERCURRENT, false);
  return !this->faults_.latched();
}

Registers Station::registers() const {
  Registers registers;
  for (int index = 0; index < SOURCES; index++) {
    if (!this->settings_.wired[index]) {
      registers.wh[index] = 0.0;
    } else if (this->meters_[index].has_register()) {
      registers.wh[index] = this->meters_[index].register_wh();
    }
  }
  return registers;
}

bool Station::reading(int index, Reading *reading) const {
  const Meter &meter = this->meters_[index];
  if (!this->settings_.wired[index] || !meter.valid())
    return false;
  *reading = meter.reading();
  // A reading from before the contactor moved tells of then, not of now.
  const Millis moved_ms = this->contactors_.conducts_since(index);
  const Millis lag_ms = this->contactors_.conducts(index) ? 0 : METER_LAG_MS;
  if (!this->leak_[index] && meter.read_at_ms() < moved_ms + lag_ms) {
    reading->current_a = 0.0f;
    reading->power_w = 0.0f;
  }
  return true;
}

float Station::flowing_a_(Millis since_ms) const {
  float current_a = 0.0f;
  for (int index = 0; index < SOURCES; index++) {
    const Meter &meter = this->meters_[index];
    if (!this->contactors_.coil(index))
      continue;
    // A current that was not read since then may still flow.
    if (!meter.valid() || meter.read_at_ms() < since_ms)
      return this->settings_.max_current_a;
    current_a += meter.reading().current_a;
  }
  return current_a;
}

void Station::step(const StationInputs &inputs) {
  if (!this->started_) {
    this->started_ = true;
    this->now_ms_ = inputs.now_ms;
    this->controlled_ms_ = inputs.now_ms;
    this->within_limit_ms_ = inputs.now_ms;
  }
  const Millis gap_ms = inputs.now_ms - this->now_ms_;
  this->now_ms_ = std::max(this->now_ms_, inputs.now_ms);
  // An update blocks the main loop, and says so itself; what waits for the car to stop does, too.
  const bool stands = inputs.turned_ms >= 0 && !inputs.updating && !inputs.restarting &&
                      this->now_ms_ - inputs.turned_ms > this->settings_.stall_ms;
  if (gap_ms > this->settings_.stall_ms || stands)
    this->stalled_ms_ = this->now_ms_;
  this->faults_.set(Fault::LOOP_STALL, this->now_ms_ - this->stalled_ms_ < STALL_REPORT_MS);

  this->judge_meters_(inputs);
  this->judge_pilot_(inputs);
  this->judge_control_(inputs);
  this->judge_overcurrent_();
  this->judge_leak_();
  this->drive_(inputs);
  this->follow_sessions_();
  this->status_ = this->judge_status_(inputs);
  this->report_(inputs);
}

/// Whoever measures may send any number, W; one without end says no more than none.
static float available_sun(const StationInputs &inputs) {
  return std::isfinite(inputs.available_solar_w) ? inputs.available_solar_w : NAN;
}

bool Station::sunny_(const StationInputs &inputs) const {
  // Less than a car needs is not worth a word, whatever `return_power` says.
  const auto &settings = this->settings_;
  const float least_w =
      settings.min_current_a * settings.follow.voltage_v * static_cast<float>(settings.follow.phases);
  return available_sun(inputs) >= std::max(settings.source.return_power_w, least_w);
}

void Station::judge_meters_(const StationInputs &inputs) {
  for (int index = 0; index < SOURCES; index++) {
    if (!this->settings_.wired[index])
      continue;
    Meter &meter = this->meters_[index];
    meter.step(this->now_ms_);
    if (index == SOLAR)
      this->solar_line_.step(this->now_ms_, meter, this->sunny_(inputs));
    // The grid is always there. Of a meter without power not even its last word before the night tells anything.
    const bool dark = index == SOLAR && this->solar_line_.dark();
    this->faults_.set(fault_at(Fault::SOLAR_METER_SILENT, index), meter.silent() && !dark);
    this->faults_.set(fault_at(Fault::SOLAR_METER_IMPLAUSIBLE, index), meter.doubt() != Doubt::NONE && !dark);
  }
}

void Station::judge_pilot_(const StationInputs &inputs) {
  if (!this->settings_.has_pilot)
    return;
  this->pilot_.step(this->now_ms_, inputs.pilot_high_v, inputs.pilot_low_v, this->duty_ < 1.0f);
  this->faults_.set(Fault::PILOT_ERROR, this->pilot_.state() == PilotState::E);
  this->faults_.set(Fault::PILOT_UNAVAILABLE, this->pilot_.state() == PilotState::F);
  this->faults_.set(Fault::DIODE_MISSING, this->pilot_.diode_missing());
  const bool vehicle = has_vehicle(this->pilot_.state());
  // A stop is for this car; the next one may charge.
  if (vehicle && !this->was_vehicle_ && this->pilot_.state() != PilotState::UNKNOWN && !this->sessions_.active())
    this->enabled_ = true;
  this->was_vehicle_ = vehicle;
}

void Station::judge_control_(const StationInputs &inputs) {
  if (inputs.controlled)
    this->controlled_ms_ = this->now_ms_;
  const Millis after_ms = this->settings_.control_lost_after_ms;
  this->control_lost_ = after_ms > 0 && this->now_ms_ - this->controlled_ms_ >= after_ms;
  this->faults_.set(Fault::CONTROL_LOST, this->control_lost_);
}

void Station::judge_overcurrent_() {
  float current_a = 0.0f;
  for (const Meter &meter : this->meters_) {
    if (meter.valid())
      current_a += meter.reading().current_a;
  }
  // Without a pilot the car does not know the limit; only the station's rating can be exceeded.
  const float limit_a = this->settings_.has_pilot && this->offered_a_ > 0.0f
                            ? this->offered_a_
                            : std::min(this->settings_.max_current_a, this->settings_.cable_current_a);
  const float allowed_a = limit_a * (1.0f + this->settings_.overcurrent_share) + this->settings_.overcurrent_margin_a;
  if (current_a <= allowed_a)
    this->within_limit_ms_ = this->now_ms_;
  if (this->now_ms_ - this->within_limit_ms_ >= this->settings_.overcurrent_ms)
    this->overcurrent_ = true;
  this->faults_.set(Fault::OVERCURRENT, this->overcurrent_);
}

void Station::judge_leak_() {
  for (int index = 0; index < SOURCES; index++) {
    const Meter &meter = this->meters_[index];
    if (this->contactors_.open(index) && meter.valid() && meter.reading().power_w > LEAK_POWER_W &&
        meter.read_at_ms() >= this->contactors_.open_since(index) + METER_LAG_MS)
      this->leak_[index] = true;
  }
}

void Station::drive_(const StationInputs &inputs) {
  const auto &settings = this->settings_;

  // Faults of the step before already count: what `contactors_` latched is read here, ahead of its own step.
  for (int index = 0; index < SOURCES; index++) {
    const ContactorFault fault = this->contactors_.fault(index);
    this->faults_.set(fault_at(Fault::SOLAR_CONTACTOR_WELDED, index),
                      fault == ContactorFault::WELDED || this->leak_[index]);
    this->faults_.set(fault_at(Fault::SOLAR_CONTACTOR_FAILED, index), fault == ContactorFault::FAILED);
  }

  SourceInputs sources;
  const Meter &solar = this->meters_[SOLAR];
  const bool collapsed = this->now_ms_ - solar.heard_at_ms() >= settings.source.collapse_silence_ms;
  sources.solar_voltage_v = solar.valid() && !collapsed ? solar.reading().voltage_v : NAN;
  const float available_w = available_sun(inputs);
  sources.solar_available_w = available_w;
  // Where the limit follows the sun, a sun that nobody measures cannot be followed.
  if (settings.follow_on == Follow::SOLAR && std::isnan(available_w))
    sources.solar_available_w = 0.0f;
  for (int index = 0; index < SOURCES; index++)
    sources.usable[index] = settings.wired[index] && !this->meters_[index].silent();
  sources.solar_dark = this->solar_line_.dark();
  const Source selected = this->selector_.step(this->now_ms_, this->mode_, sources);

  CurrentLimits limits;
  limits.station_a = settings.max_current_a;
  limits.cable_a = settings.cable_current_a;
  limits.user_a = this->user_limit_a_;
  limits.control_lost = this->control_lost_ && settings.control_lost != ControlLost::KEEP;
  limits.control_lost_a = settings.control_lost == ControlLost::STOP ? 0.0f : settings.control_lost_current_a;
  limits.follow_solar = settings.follow_on == Follow::SURPLUS ||
                        (settings.follow_on == Follow::SOLAR && selected == Source::SOLAR);
  if (limits.follow_solar) {
    CurrentLimits others = limits;
    others.follow_solar = false;
    limits.solar_a =
        this->follower_.step(this->now_ms_, available_w, effective_limit(others, settings.min_current_a));
  } else {
    this->follower_.reset();
  }
  this->limit_a_ = this->paced_.step(this->now_ms_, effective_limit(limits, settings.min_current_a));

  const bool blocked = this->faults_.blocking() || inputs.updating;
  const bool allowed = !blocked && !inputs.restarting && this->enabled_ && selected != Source::NONE &&
                       this->limit_a_ > 0.0f;
  const bool wanted = !settings.has_pilot || wants_energy(this->pilot_.state());
  const Source desired = allowed && wanted ? selected : Source::NONE;

  if (this->requested_ == desired) {
    this->stopping_ = false;
  } else if (this->requested_ != Source::NONE) {
    // The car must stop before its supply is cut, unless it has left already, the supply is gone, or it is not safe.
    const bool urgent = blocked || !settings.has_pilot || !wanted || this->selector_.urgent() ||
                        this->contactors_.connected() == Source::NONE;
    if (!this->stopping_) {
      this->stopping_ = true;
      this->stopping_since_ms_ = this->now_ms_;
    }
    const bool stopped = this->flowing_a_(this->stopping_since_ms_) <= settings.stopped_current_a;
    if (urgent || stopped || this->now_ms_ - this->stopping_since_ms_ >= settings.stop_timeout_ms) {
      this->requested_ = Source::NONE;
      this->stopping_ = false;
    }
  } else if (this->contactors_.all_open() && (!settings.has_pilot || this->pilot_.diode_seen())) {
    // Who plugs in a resistor in the place of a car finds no voltage, not even until it is told from one.
    this->requested_ = desired;
  }
  this->contactors_.request(this->requested_);
  this->contactors_.step(this->now_ms_, inputs.aux_closed);

  const bool offers = allowed && !this->stopping_ && !this->contactors_.faulted() &&
                      (!settings.has_pilot || has_vehicle(this->pilot_.state()));
  this->offered_a_ = offers ? this->limit_a_ : 0.0f;
  this->duty_ = settings.has_pilot ? duty_for_current(this->offered_a_) : 1.0f;

  this->source_ = this->contactors_.connected();
  for (int index = 0; index < SOURCES; index++) {
    if (this->leak_[index] || this->contactors_.fault(index) == ContactorFault::WELDED)
      this->source_ = source_at(index);
  }
  float power_w = 0.0f;
  for (int index = 0; index < SOURCES; index++) {
    Reading reading;
    if (this->reading(index, &reading))
      power_w += reading.power_w;
  }
  this->charging_ = this->source_ != Source::NONE && power_w > settings.session.power_w;
}

void Station::follow_sessions_() {
  float power_w = 0.0f;
  for (int index = 0; index < SOURCES; index++) {
    Reading reading;
    if (this->reading(index, &reading))
      power_w += reading.power_w;
  }
  const PilotState state = this->pilot_.state();
  // A pilot fault hides the car; it does not unplug it.
  const bool known = state == PilotState::A || has_vehicle(state);
  bool settled = true;
  for (int index = 0; index < SOURCES; index++) {
    const Meter &meter = this->meters_[index];
    if (this->settings_.wired[index] && !meter.silent())
      settled = settled && this->contactors_.open(index) && meter.read_at_ms() > this->contactors_.open_since(index);
  }
  const auto change =
      this->sessions_.step(this->now_ms_, known, has_vehicle(state), power_w, this->registers(), settled);
  if (change == Sessions::Change::NONE)
    return;
  const bool started = change == Sessions::Change::STARTED;
  StationEvent event{};
  event.at_ms = this->now_ms_;
  event.session = this->sessions_.current();
  if (started) {
    if (this->settings_.has_pilot) {
      event.type = EventType::PLUGGED;
      this->events_.push_back(event);
    }
    event.type = EventType::SESSION_STARTED;
    this->events_.push_back(event);
    return;
  }
  event.at_ms = this->sessions_.ended_ms();
  event.stop = this->sessions_.stop();
  event.reason = to_text(this->sessions_.end());
  if (this->settings_.has_pilot) {
    event.type = EventType::UNPLUGGED;
    this->events_.push_back(event);
  }
  event.type = EventType::SESSION_ENDED;
  this->events_.push_back(event);
}

Status Station::judge_status_(const StationInputs &inputs) const {
  if (inputs.updating)
    return Status::UPDATING;
  if (this->faults_.blocking())
    return Status::FAULT;
  if (this->settings_.has_pilot && this->pilot_.state() == PilotState::UNKNOWN)
    return Status::STARTING;
  if (this->mode_ == Mode::OFF)
    return Status::OFF;
  if (!this->vehicle())
    return Status::NO_VEHICLE;
  if (!this->enabled_)
    return Status::STOPPED;
  if (this->charging_)
    return Status::CHARGING;
  const SourceReason reason = this->selector_.reason();
  if (this->selector_.selected() == Source::NONE)
    return reason == SourceReason::NOT_USABLE ? Status::NO_SOURCE : Status::WAITING_FOR_SUN;
  if (this->limit_a_ <= 0.0f && this->settings_.follow_on != Follow::OFF && !this->control_lost_)
    return Status::WAITING_FOR_SUN;
  return Status::READY;
}

void Station::report_(const StationInputs &inputs) {
  if (this->source_ != this->reported_source_) {
    StationEvent event{};
    event.type = EventType::SOURCE_CHANGED;
    event.at_ms = this->now_ms_;
    event.from = this->reported_source_;
    event.to = this->source_;
    event.reason = this->faults_.blocking()                ? "fault"
                   : this->source_ == Source::NONE && !this->vehicle() ? "unplugged"
                   : inputs.restarting                     ? "restart"
                   : !this->enabled_                       ? "stopped"
                                                           : to_text(this->selector_.reason());
    this->events_.push_back(event);
    this->reported_source_ = this->source_;
  }
  for (int i = 0; i < FAULT_COUNT; i++) {
    const Fault fault = static_cast<Fault>(i);
    if (this->faults_.has(fault) == this->reported_faults_.has(fault))
      continue;
    StationEvent event{};
    event.type = this->faults_.has(fault) ? EventType::FAULT_RAISED : EventType::FAULT_CLEARED;
    event.at_ms = this->now_ms_;
    event.fault = fault;
    this->events_.push_back(event);
  }
  this->reported_faults_ = this->faults_;
  while (this->events_.size() > MAX_EVENTS)
    this->events_.pop_front();
}

}  // namespace evstation
