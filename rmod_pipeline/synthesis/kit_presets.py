"""The twenty drum kits of the built-in library."""

from __future__ import annotations

from rmod_pipeline.synthesis.cymbals import PlateCymbal, SquareCymbal
from rmod_pipeline.synthesis.kicks import MembraneDrum, SweptDrum
from rmod_pipeline.synthesis.kits import Kit, KitProcessing
from rmod_pipeline.synthesis.snares import CircuitSnare, WireSnare

KITS: tuple[Kit, ...] = (
    Kit(
        name="808",
        kick=SweptDrum(pitch_hz=50, sweep=2.0, sweep_seconds=0.006, snap=2, seconds=0.85, click=0.14, drive=0.5),
        snare=CircuitSnare(pitch_hz=178, bend=0.05, seconds=0.16, noise=0.55, noise_hz=1600, noise_seconds=0.31),
        hihat=SquareCymbal(seconds=0.11, tail=0.1),
        openhat=SquareCymbal(seconds=0.75, tail=0.6),
        toms=(
            SweptDrum(pitch_hz=90, sweep=1.35, sweep_seconds=0.05, snap=0.6, seconds=0.6, click=0.04, hiss=0.05),
            SweptDrum(pitch_hz=165, sweep=1.3, sweep_seconds=0.05, snap=0.6, seconds=0.45, click=0.04, hiss=0.05),
        ),
        cymbals=(
            SquareCymbal(seconds=2.0, tail=0.5, floor_hz=2500, low_level=0.7),
            SquareCymbal(seconds=2.4, tail=0.7, floor_hz=3800, low_level=0.5, tuning=1.25),
        ),
    ),
    Kit(
        name="909",
        kick=SweptDrum(pitch_hz=52, sweep=4.2, sweep_seconds=0.022, snap=5, seconds=0.42, click=0.42, drive=1.4),
        snare=CircuitSnare(pitch_hz=190, bend=0.6, seconds=0.14, noise=0.8, noise_hz=900, noise_seconds=0.36),
        hihat=PlateCymbal(seconds=0.21, centre_hz=9000, width_octaves=0.9, noise=0.9, stick=0.3, floor_hz=3500),
        openhat=PlateCymbal(seconds=0.8, centre_hz=9000, width_octaves=0.9, noise=0.9, stick=0.3, floor_hz=3500),
        toms=(
            SweptDrum(pitch_hz=82, sweep=1.9, sweep_seconds=0.07, snap=1, seconds=0.55, click=0.1, hiss=0.06),
            SweptDrum(pitch_hz=135, sweep=1.8, sweep_seconds=0.06, snap=1, seconds=0.45, click=0.1, hiss=0.06),
        ),
        cymbals=(
            PlateCymbal(seconds=2.2, centre_hz=6500, noise=0.9, bloom_seconds=0.01, floor_hz=900),
            PlateCymbal(seconds=2.0, centre_hz=8000, noise=0.4, bell_level=0.3, stick=0.8, floor_hz=900),
        ),
        processing=KitProcessing(bits=11, rate_hz=30_000),
    ),
    Kit(
        name="606",
        kick=SweptDrum(
            pitch_hz=60, sweep=1.8, sweep_seconds=0.008, snap=3, seconds=0.3, click=0.28, hold_seconds=0.005
        ),
        snare=CircuitSnare(pitch_hz=200, bend=0.2, seconds=0.12, noise=0.7, noise_hz=2200, noise_seconds=0.23),
        hihat=SquareCymbal(seconds=0.08, tuning=1.35, low_level=0.1, floor_hz=7000, high_hz=8500),
        openhat=SquareCymbal(seconds=0.6, tuning=1.35, low_level=0.1, floor_hz=7000, high_hz=8500, tail=0.5),
        toms=(
            SweptDrum(pitch_hz=110, sweep=1.25, sweep_seconds=0.03, snap=1, seconds=0.4, click=0.05),
            SweptDrum(pitch_hz=155, sweep=1.25, sweep_seconds=0.03, snap=1, seconds=0.35, click=0.05),
        ),
        cymbals=(
            SquareCymbal(seconds=1.6, tail=0.6, tuning=1.35, floor_hz=5000, high_hz=8500),
            SquareCymbal(seconds=1.9, tail=0.7, tuning=1.5, floor_hz=4200, high_hz=7600, noise=0.5),
        ),
    ),
    Kit(
        name="acoustic-dry",
        kick=MembraneDrum(pitch_hz=58, seconds=0.32, overtones=0.3, beater=0.51, beater_hz=3000),
        snare=WireSnare(pitch_hz=188, seconds=0.24, wires=0.5, wires_seconds=0.31),
        hihat=PlateCymbal(seconds=0.31, centre_hz=7500, bottom_hz=400, noise=0.5, stick=0.5),
        openhat=PlateCymbal(seconds=1.1, centre_hz=7000, bottom_hz=380, noise=0.6, stick=0.4),
        toms=(
            MembraneDrum(pitch_hz=88, seconds=0.7, overtones=0.4, beater=0.15, beater_hz=2200),
            MembraneDrum(pitch_hz=140, seconds=0.55, overtones=0.4, beater=0.15, beater_hz=2600),
        ),
        cymbals=(
            PlateCymbal(seconds=2.4, centre_hz=5000, width_octaves=1.6, bloom_seconds=0.025, noise=0.7, floor_hz=250),
            PlateCymbal(seconds=2.6, centre_hz=5500, stick=1.0, bell_level=0.6, noise=0.25, floor_hz=350),
        ),
        processing=KitProcessing(room=0.05, room_seconds=0.12),
    ),
    Kit(
        name="acoustic-room",
        kick=MembraneDrum(pitch_hz=54, seconds=0.42, overtones=0.35, beater=0.37, beater_hz=2400, air=0.1),
        snare=WireSnare(pitch_hz=176, seconds=0.3, wires=0.55, wires_seconds=0.42, wires_hz=3000),
        hihat=PlateCymbal(seconds=0.26, centre_hz=6500, bottom_hz=350, noise=0.5, stick=0.5),
        openhat=PlateCymbal(seconds=1.2, centre_hz=6200, bottom_hz=350, noise=0.6),
        toms=(
            MembraneDrum(pitch_hz=78, seconds=0.9, overtones=0.45, beater=0.12, beater_hz=2000),
            MembraneDrum(pitch_hz=118, seconds=0.7, overtones=0.45, beater=0.12, beater_hz=2400),
        ),
        cymbals=(
            PlateCymbal(seconds=2.6, centre_hz=4500, width_octaves=1.7, bloom_seconds=0.03, noise=0.8, floor_hz=220),
            PlateCymbal(seconds=2.6, centre_hz=5000, stick=0.8, bell_level=0.5, noise=0.3, floor_hz=300),
        ),
        processing=KitProcessing(room=0.3, room_seconds=0.5),
    ),
    Kit(
        name="rock",
        kick=MembraneDrum(pitch_hz=62, glide=0.75, seconds=0.36, overtones=0.3, beater=0.85, beater_hz=3600, drive=0.9),
        snare=WireSnare(pitch_hz=205, seconds=0.28, wires=0.65, wires_seconds=0.39, stick=0.55, drive=0.9),
        hihat=PlateCymbal(seconds=0.31, centre_hz=8000, bottom_hz=420, noise=0.7, stick=0.4),
        openhat=PlateCymbal(seconds=1.4, centre_hz=7000, bottom_hz=400, noise=0.8),
        toms=(
            MembraneDrum(pitch_hz=84, seconds=0.85, overtones=0.5, beater=0.25, beater_hz=3000, drive=0.8),
            MembraneDrum(pitch_hz=128, seconds=0.7, overtones=0.5, beater=0.25, beater_hz=3200, drive=0.8),
        ),
        cymbals=(
            PlateCymbal(seconds=2.8, centre_hz=5200, width_octaves=1.6, bloom_seconds=0.02, noise=0.9, floor_hz=260),
            PlateCymbal(seconds=2.4, centre_hz=6000, width_octaves=1.4, bloom_seconds=0.012, noise=0.8, floor_hz=300),
        ),
        processing=KitProcessing(room=0.22, room_seconds=0.4, tape=0.9),
    ),
    Kit(
        name="funk",
        kick=MembraneDrum(pitch_hz=66, seconds=0.22, overtones=0.35, beater=0.59, beater_hz=2600),
        snare=WireSnare(pitch_hz=240, seconds=0.16, wires=0.5, wires_seconds=0.22, wires_hz=4200, stick=0.6),
        hihat=PlateCymbal(seconds=0.14, centre_hz=8500, bottom_hz=600, noise=0.4, stick=0.6, floor_hz=600),
        openhat=PlateCymbal(seconds=0.7, centre_hz=8200, bottom_hz=600, noise=0.5, floor_hz=600),
        toms=(
            MembraneDrum(pitch_hz=108, seconds=0.4, overtones=0.5, beater=0.2),
            MembraneDrum(pitch_hz=170, seconds=0.35, overtones=0.5, beater=0.2),
        ),
        cymbals=(
            PlateCymbal(seconds=1.8, centre_hz=6500, bloom_seconds=0.012, noise=0.7, floor_hz=400),
            PlateCymbal(seconds=2.0, centre_hz=6500, stick=1.0, bell_level=0.8, noise=0.2, floor_hz=450),
        ),
        processing=KitProcessing(room=0.06, room_seconds=0.1, tape=0.7),
    ),
    Kit(
        name="disco",
        kick=MembraneDrum(
            pitch_hz=71, glide=0.25, seconds=0.2, overtones=0.2, beater=0.34, beater_hz=2000, tone_hz=5000
        ),
        snare=WireSnare(pitch_hz=165, seconds=0.17, wires=0.6, wires_seconds=0.26, wires_hz=2800, tone_hz=9000),
        hihat=PlateCymbal(seconds=0.18, centre_hz=9500, bottom_hz=900, noise=0.6, stick=0.35, floor_hz=1200),
        openhat=PlateCymbal(seconds=0.55, centre_hz=9000, bottom_hz=900, noise=0.8, floor_hz=1200),
        toms=(
            SweptDrum(pitch_hz=120, sweep=2.4, sweep_seconds=0.12, snap=0, seconds=0.5, click=0.05, hiss=0.02),
            MembraneDrum(pitch_hz=105, seconds=0.3, overtones=0.3, beater=0.15),
        ),
        cymbals=(
            PlateCymbal(seconds=2.0, centre_hz=7500, bloom_seconds=0.01, noise=0.8, floor_hz=700),
            PlateCymbal(seconds=2.2, centre_hz=6000, stick=0.7, bell_level=0.4, noise=0.3, floor_hz=500),
        ),
        processing=KitProcessing(room=0.08, room_seconds=0.15),
    ),
    Kit(
        name="techno",
        kick=SweptDrum(pitch_hz=46, sweep=5.5, sweep_seconds=0.026, snap=8, seconds=0.5, click=0.35, drive=2.6),
        snare=CircuitSnare(
            pitch_hz=215, bend=0.4, seconds=0.11, noise=1.0, noise_hz=1200, noise_seconds=0.29, drive=1.6
        ),
        hihat=PlateCymbal(seconds=0.13, centre_hz=10500, width_octaves=0.8, noise=1.2, stick=0.2, floor_hz=5000),
        openhat=PlateCymbal(seconds=0.5, centre_hz=9500, width_octaves=0.8, noise=1.2, stick=0.2, floor_hz=4500),
        toms=(
            SweptDrum(pitch_hz=74, sweep=2.2, sweep_seconds=0.05, snap=2, seconds=0.4, click=0.1, drive=1.8),
            SweptDrum(pitch_hz=112, sweep=2.0, sweep_seconds=0.04, snap=2, seconds=0.35, click=0.1, drive=1.8),
        ),
        cymbals=(
            PlateCymbal(seconds=1.6, centre_hz=8500, width_octaves=1.0, noise=1.2, floor_hz=2500),
            PlateCymbal(seconds=1.8, centre_hz=7000, width_octaves=0.8, bell_level=0.6, noise=0.6, floor_hz=2000),
        ),
    ),
    Kit(
        name="house",
        kick=SweptDrum(pitch_hz=50, sweep=3.4, sweep_seconds=0.018, snap=6, seconds=0.34, click=0.42, drive=1.7),
        snare=CircuitSnare(
            pitch_hz=205, bend=0.5, seconds=0.15, noise=0.7, noise_hz=1000, noise_seconds=0.26, drive=1.1
        ),
        hihat=PlateCymbal(seconds=0.12, centre_hz=9500, width_octaves=1.0, noise=0.7, stick=0.3, floor_hz=4000),
        openhat=PlateCymbal(seconds=0.6, centre_hz=8800, width_octaves=1.0, noise=0.8, stick=0.3, floor_hz=3200),
        toms=(
            SweptDrum(pitch_hz=96, sweep=1.7, sweep_seconds=0.05, snap=1, seconds=0.45, click=0.08, hiss=0.03),
            SweptDrum(pitch_hz=144, sweep=1.6, sweep_seconds=0.05, snap=1, seconds=0.4, click=0.08, hiss=0.03),
        ),
        cymbals=(
            PlateCymbal(seconds=1.9, centre_hz=7200, noise=0.9, bloom_seconds=0.008, floor_hz=1200),
            PlateCymbal(seconds=1.7, centre_hz=7800, noise=0.4, bell_level=0.5, stick=0.7, floor_hz=1000),
        ),
        processing=KitProcessing(tape=0.8),
    ),
    Kit(
        name="trap",
        kick=SweptDrum(pitch_hz=42, sweep=4.0, sweep_seconds=0.012, snap=10, seconds=1.1, click=0.35, drive=2.2),
        snare=CircuitSnare(
            pitch_hz=235, bend=0.7, seconds=0.13, noise=0.85, noise_hz=1300, noise_seconds=0.34, drive=1.5
        ),
        hihat=SquareCymbal(seconds=0.06, tuning=1.1, floor_hz=8000, high_hz=9500, noise=0.5, low_level=0.1),
        openhat=SquareCymbal(seconds=0.5, tuning=1.1, floor_hz=7000, high_hz=9000, noise=0.5, tail=0.5),
        toms=(
            SweptDrum(pitch_hz=70, sweep=1.6, sweep_seconds=0.06, snap=2, seconds=0.8, click=0.1, drive=1.2),
            SweptDrum(pitch_hz=105, sweep=1.6, sweep_seconds=0.06, snap=2, seconds=0.6, click=0.1, drive=1.2),
        ),
        cymbals=(
            SquareCymbal(seconds=1.9, tail=0.6, tuning=1.1, floor_hz=4500, noise=0.8),
            PlateCymbal(seconds=2.2, centre_hz=7500, noise=1.0, bloom_seconds=0.015, floor_hz=1500),
        ),
    ),
    Kit(
        name="drum-and-bass",
        kick=MembraneDrum(pitch_hz=68, glide=0.5, seconds=0.26, overtones=0.3, beater=0.85, beater_hz=3800, drive=1.6),
        snare=WireSnare(pitch_hz=215, seconds=0.2, overtones=0.4, wires=0.6, wires_seconds=0.29, stick=0.6, drive=1.5),
        hihat=PlateCymbal(seconds=0.17, centre_hz=9000, bottom_hz=700, noise=0.7, stick=0.5, floor_hz=1500),
        openhat=PlateCymbal(seconds=0.65, centre_hz=8500, bottom_hz=600, noise=0.8, floor_hz=1200),
        toms=(
            MembraneDrum(pitch_hz=98, seconds=0.45, overtones=0.5, beater=0.3, drive=1.2),
            MembraneDrum(pitch_hz=150, seconds=0.4, overtones=0.5, beater=0.3, drive=1.2),
        ),
        cymbals=(
            PlateCymbal(seconds=1.7, centre_hz=6800, bloom_seconds=0.01, noise=0.9, floor_hz=700),
            PlateCymbal(seconds=1.8, centre_hz=7200, stick=1.0, bell_level=0.5, noise=0.4, floor_hz=900),
        ),
        processing=KitProcessing(room=0.1, room_seconds=0.12, tape=1.3),
    ),
    Kit(
        name="lofi",
        kick=MembraneDrum(
            pitch_hz=57, glide=0.2, seconds=0.3, overtones=0.35, beater=0.42, beater_hz=1600, drive=0.9, tone_hz=4000
        ),
        snare=WireSnare(pitch_hz=195, seconds=0.2, wires=0.5, wires_seconds=0.26, wires_hz=2600, tone_hz=7500),
        hihat=PlateCymbal(seconds=0.16, centre_hz=6500, bottom_hz=500, noise=0.7, stick=0.4, floor_hz=700),
        openhat=PlateCymbal(seconds=0.6, centre_hz=6300, bottom_hz=500, noise=0.8, floor_hz=700),
        toms=(
            MembraneDrum(pitch_hz=92, seconds=0.5, overtones=0.4, beater=0.2, tone_hz=5000),
            MembraneDrum(pitch_hz=138, seconds=0.4, overtones=0.4, beater=0.2, tone_hz=5000),
        ),
        cymbals=(
            PlateCymbal(seconds=1.6, centre_hz=5200, bloom_seconds=0.015, noise=0.9, floor_hz=500),
            PlateCymbal(seconds=1.8, centre_hz=5200, stick=0.8, bell_level=0.5, noise=0.4, floor_hz=500),
        ),
        processing=KitProcessing(room=0.12, room_seconds=0.2, tape=1.2, bits=9, rate_hz=22_050, tone_hz=8500),
    ),
    Kit(
        name="boom-bap",
        kick=MembraneDrum(pitch_hz=61, glide=0.35, seconds=0.28, overtones=0.4, beater=0.68, beater_hz=2200, drive=1.4),
        snare=WireSnare(
            pitch_hz=182, seconds=0.22, wires=0.65, wires_seconds=0.29, wires_hz=3000, stick=0.5, drive=1.3
        ),
        hihat=PlateCymbal(seconds=0.13, centre_hz=7200, bottom_hz=450, noise=0.6, stick=0.5, floor_hz=800),
        openhat=PlateCymbal(seconds=0.55, centre_hz=7000, bottom_hz=450, noise=0.7, floor_hz=800),
        toms=(
            MembraneDrum(pitch_hz=86, seconds=0.5, overtones=0.5, beater=0.3, drive=1.0),
            MembraneDrum(pitch_hz=126, seconds=0.4, overtones=0.5, beater=0.3, drive=1.0),
        ),
        cymbals=(
            PlateCymbal(seconds=1.7, centre_hz=5800, bloom_seconds=0.015, noise=0.8, floor_hz=500),
            PlateCymbal(seconds=1.8, centre_hz=6000, stick=0.9, bell_level=0.5, noise=0.4, floor_hz=600),
        ),
        processing=KitProcessing(room=0.08, room_seconds=0.15, tape=1.0, bits=12, rate_hz=26_040),
    ),
    Kit(
        name="linear-eighties",
        kick=MembraneDrum(pitch_hz=64, seconds=0.24, overtones=0.25, beater=0.77, beater_hz=4200, air=0.03),
        snare=WireSnare(pitch_hz=200, seconds=0.3, overtones=0.4, wires=0.7, wires_seconds=0.52, wires_hz=3200),
        hihat=PlateCymbal(seconds=0.16, centre_hz=7800, width_octaves=1.2, noise=0.6, floor_hz=1500),
        openhat=PlateCymbal(seconds=0.7, centre_hz=7600, width_octaves=1.2, noise=0.6, floor_hz=1500),
        toms=(
            SweptDrum(pitch_hz=86, sweep=1.8, sweep_seconds=0.1, snap=1, seconds=0.8, click=0.2, hiss=0.08),
            SweptDrum(pitch_hz=132, sweep=1.8, sweep_seconds=0.1, snap=1, seconds=0.7, click=0.2, hiss=0.08),
        ),
        cymbals=(
            PlateCymbal(seconds=2.2, centre_hz=6500, bloom_seconds=0.015, noise=0.7, floor_hz=600),
            PlateCymbal(seconds=2.0, centre_hz=6800, stick=0.8, bell_level=0.7, noise=0.3, floor_hz=700),
        ),
        processing=KitProcessing(room=0.25, room_seconds=0.3, bits=12, rate_hz=32_000),
    ),
    Kit(
        name="minimal",
        kick=SweptDrum(pitch_hz=55, sweep=2.2, sweep_seconds=0.01, snap=4, seconds=0.22, click=0.17, drive=0.6),
        snare=CircuitSnare(pitch_hz=260, bend=0.25, seconds=0.09, noise=0.5, noise_hz=2000, noise_seconds=0.16),
        hihat=SquareCymbal(seconds=0.05, tuning=1.6, floor_hz=8500, high_hz=10500, low_level=0.05, noise=0.4),
        openhat=SquareCymbal(
            seconds=0.42, tuning=1.6, floor_hz=7500, high_hz=10000, low_level=0.05, noise=0.4, tail=0.4
        ),
        toms=(
            SweptDrum(pitch_hz=125, sweep=1.2, sweep_seconds=0.02, snap=1, seconds=0.35, click=0.05),
            SweptDrum(pitch_hz=190, sweep=1.2, sweep_seconds=0.02, snap=1, seconds=0.35, click=0.05),
        ),
        cymbals=(
            SquareCymbal(seconds=1.4, tail=0.5, tuning=1.6, floor_hz=6000, high_hz=9500),
            PlateCymbal(seconds=1.5, centre_hz=9000, width_octaves=0.8, noise=0.5, bell_level=0.3, floor_hz=3000),
        ),
    ),
    Kit(
        name="electro",
        split="valid",
        kick=SweptDrum(pitch_hz=54, sweep=2.6, sweep_seconds=0.011, snap=4, seconds=0.55, click=0.28, drive=1.0),
        snare=CircuitSnare(pitch_hz=185, bend=0.3, seconds=0.15, noise=0.75, noise_hz=1200, noise_seconds=0.33),
        hihat=SquareCymbal(seconds=0.09, tuning=1.15, floor_hz=6500, tail=0.2),
        openhat=SquareCymbal(seconds=0.55, tuning=1.15, floor_hz=6000, tail=0.6),
        toms=(
            SweptDrum(pitch_hz=100, sweep=1.6, sweep_seconds=0.05, snap=1, seconds=0.5, click=0.06, hiss=0.03),
            SweptDrum(pitch_hz=150, sweep=1.5, sweep_seconds=0.05, snap=1, seconds=0.45, click=0.06, hiss=0.03),
        ),
        cymbals=(
            SquareCymbal(seconds=1.8, tail=0.6, tuning=1.15, floor_hz=3000, low_level=0.6),
            PlateCymbal(seconds=1.8, centre_hz=7500, width_octaves=1.1, noise=0.8, floor_hz=1500),
        ),
        processing=KitProcessing(room=0.05, room_seconds=0.15, tape=0.7),
    ),
    Kit(
        name="jazz",
        split="valid",
        kick=MembraneDrum(pitch_hz=72, seconds=0.5, overtones=0.45, beater=0.24, beater_hz=1500, glide=0.12, air=0.08),
        snare=WireSnare(pitch_hz=225, seconds=0.26, overtones=0.6, wires=0.4, wires_seconds=0.29, stick=0.3),
        hihat=PlateCymbal(seconds=0.2, centre_hz=6000, bottom_hz=320, noise=0.4, stick=0.5, floor_hz=250),
        openhat=PlateCymbal(seconds=1.0, centre_hz=5800, bottom_hz=320, noise=0.5, floor_hz=250),
        toms=(
            MembraneDrum(pitch_hz=115, seconds=0.8, overtones=0.5, beater=0.1, beater_hz=2000, glide=0.1),
            MembraneDrum(pitch_hz=180, seconds=0.6, overtones=0.5, beater=0.1, beater_hz=2200, glide=0.1),
        ),
        cymbals=(
            PlateCymbal(seconds=2.8, centre_hz=4800, stick=0.9, bell_level=0.8, noise=0.2, floor_hz=250),
            PlateCymbal(seconds=2.4, centre_hz=4600, bloom_seconds=0.02, noise=0.6, floor_hz=250),
        ),
        processing=KitProcessing(room=0.18, room_seconds=0.4, room_hz=5000),
    ),
    Kit(
        name="synthwave",
        split="test",
        kick=SweptDrum(pitch_hz=57, sweep=3.0, sweep_seconds=0.02, snap=6, seconds=0.4, click=0.49, drive=1.5),
        snare=CircuitSnare(
            pitch_hz=172, bend=0.3, seconds=0.22, noise=0.75, noise_hz=800, noise_seconds=0.52, drive=1.0
        ),
        hihat=PlateCymbal(seconds=0.13, centre_hz=8600, width_octaves=1.0, noise=0.9, stick=0.3, floor_hz=3000),
        openhat=PlateCymbal(seconds=0.6, centre_hz=8400, width_octaves=1.0, noise=0.9, stick=0.3, floor_hz=2600),
        toms=(
            SweptDrum(pitch_hz=92, sweep=2.3, sweep_seconds=0.1, snap=2, seconds=0.75, click=0.2, hiss=0.1, drive=1.2),
            SweptDrum(
                pitch_hz=142, sweep=2.2, sweep_seconds=0.09, snap=2, seconds=0.65, click=0.2, hiss=0.1, drive=1.2
            ),
        ),
        cymbals=(
            PlateCymbal(seconds=2.0, centre_hz=7000, noise=1.0, bloom_seconds=0.012, floor_hz=1000),
            SquareCymbal(seconds=1.8, tail=0.6, tuning=0.9, floor_hz=3200, noise=0.8),
        ),
        processing=KitProcessing(room=0.3, room_seconds=0.35),
    ),
    Kit(
        name="studio-tight",
        split="test",
        kick=MembraneDrum(pitch_hz=56, seconds=0.28, overtones=0.28, beater=0.59, beater_hz=3300, drive=0.7),
        snare=WireSnare(pitch_hz=194, seconds=0.2, overtones=0.45, wires=0.55, wires_seconds=0.29, wires_hz=3800),
        hihat=PlateCymbal(seconds=0.18, centre_hz=8200, bottom_hz=500, noise=0.5, stick=0.5, floor_hz=500),
        openhat=PlateCymbal(seconds=0.9, centre_hz=7800, bottom_hz=450, noise=0.6, floor_hz=450),
        toms=(
            MembraneDrum(pitch_hz=95, seconds=0.55, overtones=0.4, beater=0.2),
            MembraneDrum(pitch_hz=148, seconds=0.45, overtones=0.4, beater=0.2),
        ),
        cymbals=(
            PlateCymbal(seconds=2.2, centre_hz=6000, bloom_seconds=0.018, noise=0.8, floor_hz=350),
            PlateCymbal(seconds=2.4, centre_hz=6200, stick=1.0, bell_level=0.6, noise=0.25, floor_hz=450),
        ),
        processing=KitProcessing(room=0.07, room_seconds=0.14),
    ),
)
