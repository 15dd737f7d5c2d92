#pragma once
#define USE_ESP32
#define USE_SOLARRALLY_MQTT
#define USE_SOLARRALLY_LOG
