#pragma once

#include <string>

#include "message_logic.h"

namespace evstation {

/// Where Home Assistant looks for this station's discovery message, below its prefix.
std::string discovery_topic(const std::string &prefix, const Identity &identity);

/// Home Assistant's MQTT device discovery: one message that turns the station's own topics into entities, for homes
/// without the SolarRally integration.
/// @param base the station's topics without their last level, as `ev/garage`
std::string discovery_json(const Station &station, const Identity &identity, const std::string &base);

}  // namespace evstation
