#pragma once

#include "esphome/components/button/button.h"
#include "esphome/components/number/number.h"
#include "esphome/components/select/select.h"
#include "esphome/components/switch/switch.h"

namespace esphome::solarrally {

class SolarRally;

/// The owner's mode: off, solar, grid or auto.
class ModeSelect final : public select::Select {
 public:
  explicit ModeSelect(SolarRally *station) : station_(station) {}

 protected:
  void control(size_t index) override;
  SolarRally *station_;
};

/// The owner's current limit, A.
class LimitNumber final : public number::Number {
 public:
  explicit LimitNumber(SolarRally *station) : station_(station) {}

 protected:
  void control(float value) override;
  SolarRally *station_;
};

/// Whether charging is allowed.
class EnabledSwitch final : public switch_::Switch {
 public:
  explicit EnabledSwitch(SolarRally *station) : station_(station) {}

 protected:
  void write_state(bool state) override;
  SolarRally *station_;
};

/// Resets latched faults whose cause is gone.
class ResetFaultsButton final : public button::Button {
 public:
  explicit ResetFaultsButton(SolarRally *station) : station_(station) {}

 protected:
  void press_action() override;
  SolarRally *station_;
};

}  // namespace esphome::solarrally
