"""All reports that were searched out, in the order of docs/wild.md."""

from __future__ import annotations

import agent_bridge_reports
import agent_error_reports
import agent_form_reports
import agent_limit_reports
import agent_silence_reports
import audio_form_reports
import call_quiet_reports
import call_unseen_reports
import deepgram_reports
import dictation_reports
import elevenlabs_reports
import ending_reports
import further_agent_reports
import gemini_reports
import held_back_agent_reports
import held_back_realtime_reports
import held_back_speech_reports
import held_back_words_reports
import key_place_reports
import late_agent_reports
import listening_reports
import lost_end_reports
import missing_event_reports
import named_failure_reports
import odd_result_reports
import openai_reports
import order_reports
import provider_reports
import quiet_reports
import realtime_setting_reports
import realtime_turn_reports
import recognition_reports
import refusal_reports
import reported_access
import reported_audio
import reported_networks
import reported_sessions
import reported_settings
import server_reports
import silence_reports
import silent_further_reports
import silent_held_reports
import silent_kind_reports
import silent_last_reports
import speech_context_reports
import speech_further_reports
import speech_output_reports
import speech_quiet_reports
import speech_unseen_reports
import speechless_reports
import stalled_agent_reports
import stt_audio_reports
import stt_more_reports
import stt_refused_reports
import stt_result_reports
import stt_sentence_reports
import talking_agent_reports
import telephone_reports
import timeout_reports
import tool_call_reports
import unanswered_agent_reports
import unended_reports
import voice_agent_reports
import wordless_reports
import wrong_answer_reports

REPORTS = [
    *reported_access.REPORTS,
    *reported_settings.REPORTS,
    *reported_audio.REPORTS,
    *reported_sessions.REPORTS,
    *reported_networks.REPORTS,
    *deepgram_reports.REPORTS,
    *openai_reports.REPORTS,
    *gemini_reports.REPORTS,
    *elevenlabs_reports.REPORTS,
    *provider_reports.REPORTS,
    *server_reports.REPORTS,
    *order_reports.REPORTS,
    *ending_reports.REPORTS,
    *refusal_reports.REPORTS,
    *timeout_reports.REPORTS,
    *key_place_reports.REPORTS,
    *audio_form_reports.REPORTS,
    *stt_refused_reports.REPORTS,
    *stt_sentence_reports.REPORTS,
    *stt_audio_reports.REPORTS,
    *stt_result_reports.REPORTS,
    *stt_more_reports.REPORTS,
    *speech_output_reports.REPORTS,
    *tool_call_reports.REPORTS,
    *telephone_reports.REPORTS,
    *realtime_turn_reports.REPORTS,
    *voice_agent_reports.REPORTS,
    *further_agent_reports.REPORTS,
    *dictation_reports.REPORTS,
    *recognition_reports.REPORTS,
    *listening_reports.REPORTS,
    *unended_reports.REPORTS,
    *silence_reports.REPORTS,
    *realtime_setting_reports.REPORTS,
    *agent_limit_reports.REPORTS,
    *agent_silence_reports.REPORTS,
    *agent_bridge_reports.REPORTS,
    *agent_form_reports.REPORTS,
    *quiet_reports.REPORTS,
    *speech_context_reports.REPORTS,
    *speech_quiet_reports.REPORTS,
    *call_quiet_reports.REPORTS,
    *speech_further_reports.REPORTS,
    *missing_event_reports.REPORTS,
    *odd_result_reports.REPORTS,
    *lost_end_reports.REPORTS,
    *unanswered_agent_reports.REPORTS,
    *wrong_answer_reports.REPORTS,
    *held_back_agent_reports.REPORTS,
    *held_back_realtime_reports.REPORTS,
    *stalled_agent_reports.REPORTS,
    *speechless_reports.REPORTS,
    *wordless_reports.REPORTS,
    *named_failure_reports.REPORTS,
    *held_back_speech_reports.REPORTS,
    *held_back_words_reports.REPORTS,
    *talking_agent_reports.REPORTS,
    *agent_error_reports.REPORTS,
    *late_agent_reports.REPORTS,
    *speech_unseen_reports.REPORTS,
    *call_unseen_reports.REPORTS,
    *silent_kind_reports.REPORTS,
    *silent_held_reports.REPORTS,
    *silent_further_reports.REPORTS,
    *silent_last_reports.REPORTS,
]
UNSOLVED = [
    *speech_context_reports.UNSOLVED,
    *speech_further_reports.UNSOLVED,
    *held_back_speech_reports.UNSOLVED,
    *held_back_words_reports.UNSOLVED,
    *late_agent_reports.UNSOLVED,
    *speech_unseen_reports.UNSOLVED,
    *call_unseen_reports.UNSOLVED,
    *silent_held_reports.UNSOLVED,
    *silent_further_reports.UNSOLVED,
    *silent_last_reports.UNSOLVED,
]
"""Reports whose cause no rule finds yet."""
