#pragma once
namespace esphome::network {
bool is_connected();
}
