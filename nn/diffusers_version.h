// The release of diffusers whose files ours are like: they have its keys, as have those of later ones.
#pragma once

namespace imago {

inline constexpr const char* kDiffusersVersion = "0.30.0";

}  // namespace imago
