"""Which test saw a promise of the reference pages kept, from outside: by row of their tables.

A test of the documents checks that each of these tests exists, and that no row is without one.
"""

MATRIX = "test_an_address_answers_each_caller_as_it_must"
DESK = "test_each_page_of_the_desk_is_for_its_roles_alone"
PROBES = "test_probes_answer_without_a_token"
INCLUDES = "test_includes_add_what_the_page_refers_to_and_the_caller_may_see"
NEGOTIATED = "test_services_of_the_standard_that_store_nothing_are_refused"

# Addresses that need no scope; the access matrix walks all others.
ADDRESSES = {
    "/livez": PROBES,
    "/readyz": PROBES,
    "/openapi.json": "test_the_description_names_every_address_method_and_scope",
    "/metrics": "test_every_door_is_counted_and_nobody_is_named",
    "/oauth/token": "test_a9_a_signed_request_gets_a_short_token_without_a_refresh_token",
    "/oauth/introspect": "test_a7_an_active_token_is_described_to_its_resource_server",
    "/oauth/revoke": "test_a7_a_revoked_token_is_dead_at_once_on_every_door",
    "/fhir/.well-known/smart-configuration": (
        "test_a1_what_the_smart_configuration_lists_is_absolute_and_works"
    ),
    "/fhir/.well-known/smart-styles.json": "test_a3_the_style_is_json",
    "/.well-known/openid-configuration": (
        "test_a5_the_openid_configuration_names_what_a_client_needs"
    ),
    "/oauth/jwks": "test_a5_the_published_keys_are_public_rsa_keys_with_a_kid",
    "/oauth/authorize": "test_a2_a_request_by_get_or_post_ends_with_a_code_and_the_same_state",
    "/oauth/continue": "test_a2_the_request_itself_answers_with_a_303_to_a_page_of_our_own",
    "/oauth/login": "test_wrong_unknown_and_locked_answer_alike_and_five_wrong_answers_lock",
    "/oauth/code": "test_an_operator_sets_codes_up_and_signs_in_with_one_of_them",
    "/oauth/account": ("test_a_person_sees_where_they_are_signed_in_and_ends_one_of_them"),
    "/oauth/account/password": ("test_a_person_changes_their_password_and_is_signed_out_elsewhere"),
    "/oauth/account/session": ("test_a_person_sees_where_they_are_signed_in_and_ends_one_of_them"),
    "/oauth/account/second": (
        "test_who_need_not_have_a_second_step_may_set_one_up_with_the_password"
    ),
    "/setup/<secret>": ("test_the_printed_address_makes_one_operator_who_is_signed_in_then"),
    "/oauth/pick": "test_a2_a_proxy_and_a_clinician_pick_the_patient",
    "/oauth/decide": (
        "test_a2_the_page_has_a_ticked_box_for_each_scope_and_denies_what_is_unticked"
    ),
    "/oauth/launch": "test_a2_only_a_client_with_that_right_launches",
    "/oauth/register": "test_a1_an_app_registers_and_its_user_is_told_that_nobody_looked_at_it",
    "/oauth/register/<client>": (
        "test_a1_an_entry_is_read_changed_and_ended_with_its_own_token_alone"
    ),
    "/oauth/apps": "test_a7_a_patient_sees_what_was_allowed_and_takes_it_back_at_once",
    "/oauth/logout": "test_a_session_ends_when_it_is_idle_old_or_signed_out",
    "/oauth/pages.css": "test_no_page_keeps_anybody_out",
    "/desk/desk.css": "test_every_page_of_the_desk_is_fit_for_a_phone_and_for_everybody",
    "/oauth/share": "test_a_client_with_that_right_makes_links_for_whom_it_reaches",
    "/s/": "test_a_spoken_code_opens_with_the_answer_in_the_same_form",
    "/s/<token>": "test_unknown_wrong_locked_expired_revoked_and_used_up_answer_alike",
    "/s/open": "test_the_first_page_asks_and_shows_no_picture_and_no_report",
    "/s/later": "test_later_closes_the_browser_and_not_the_link",
    "/s/link": "test_who_passed_a_link_on_sees_it_used_and_ends_it",
    "/s/pass-on": "test_a_link_is_passed_on_once_shows_no_more_and_never_longer",
    "/s/pass-on/end": "test_who_passed_a_link_on_sees_it_used_and_ends_it",
    "/s/not-me": "test_this_is_not_me_closes_the_link_for_all_and_calls_the_staff",
    "/s/pictures/<study>/<series>": (
        "test_the_pictures_are_those_of_the_studies_and_can_be_leafed_through"
    ),
    "/s/pictures/<study>/<series>/thumbnail": (
        "test_the_pictures_are_those_of_the_studies_and_can_be_leafed_through"
    ),
    "/s/pictures/<study>/<series>/<instance>/<frames>": (
        "test_the_pictures_are_those_of_the_studies_and_can_be_leafed_through"
    ),
    "/s/pictures": "test_the_pictures_are_those_of_the_studies_and_can_be_leafed_through",
    "/s/reports": "test_a_report_is_read_with_its_conclusion_first_and_saved",
    "/s/reports/<id>": "test_a_report_is_read_with_its_conclusion_first_and_saved",
    "/s/reports/<id>/text": "test_a_report_is_read_with_its_conclusion_first_and_saved",
    "/s/documents/<id>": "test_a_document_of_a_report_comes_through_the_gate",
    "/s/bundle": "test_a_bundle_to_keep_holds_the_link_and_passes_the_gate",
    "/s/disc": "test_the_disc_holds_every_picture_byte_for_byte_and_a_directory_of_them",
    "/s/link.css": "test_every_page_is_fit_for_a_phone_and_for_everybody",
    "/s/icon.svg": "test_every_page_is_fit_for_a_phone_and_for_everybody",
    "/s/watch.js": "test_a_page_that_is_open_goes_blank_when_its_link_is_revoked",
    "/s/alive": "test_a_link_that_has_ended_shows_nothing_on_any_door",
    "/fhir/metadata": "test_a11_metadata_needs_no_token_and_says_what_is_served",
    "/apps/viewer/": "test_its_files_are_public_stay_fresh_and_let_no_other_site_in",
    "/apps/viewer/<path:file>": "test_its_files_are_public_stay_fresh_and_let_no_other_site_in",
}

ERRORS = "test_every_error_is_told_as_the_table_says"
LOWER_ERRORS = "test_every_error_of_the_dicom_floor_has_a_place_in_the_table"

INTERACTIONS = {
    "read": "test_a11_a_read_answers_with_version_time_and_type",
    "vread": "test_a12_each_version_can_be_read",
    "history-instance": "test_a12_a_history_lists_each_version_once_the_newest_first",
    "search-type": "test_a13_a_search_answers_with_a_searchset",
}
PARAMETERS = "test_searches_find_what_looking_at_each_resource_finds"
RESULTS = {
    "_count": "test_a13_pages_neither_lose_nor_repeat",
    "_sort": "test_a13_an_order_puts_what_has_no_value_last",
    "_total": "test_a13_totals_are_given_as_asked",
    "_summary": "test_a13_a_summary_is_marked_and_still_valid",
    "_elements": "test_a13_elements_are_those_asked_for_and_the_required",
    "_include": INCLUDES,
    "_revinclude": INCLUDES,
    "_format": "test_a11_format_wins_over_accept",
    "_pretty": "test_a11_pretty_changes_the_spacing_alone",
}

SERVICES = {
    "Verification": "test_a_verification_is_answered",
    "Storage": "test_every_storage_class_of_the_standard_is_accepted",
    "Query": "test_findscu_finds_patients_studies_series_and_images",
    "Retrieve": "test_movescu_moves_a_study_to_a_peer_byte_for_byte",
    "Worklist, commitment, procedure steps and all others": NEGOTIATED,
    "QIDO-RS": "test_dicomweb_client_searches_as_it_does_elsewhere",
    "WADO-RS": "test_dicomweb_client_retrieves_as_it_does_elsewhere",
    "STOW-RS": "test_dicomweb_client_stores_as_it_does_elsewhere",
    "Media": "test_a_disc_is_imported_and_what_it_should_hold_is_missed",
}
SYNTAXES = "test_every_transfer_syntax_of_the_standard_and_private_ones_are_kept"
KEYS = "test_keys_may_be_keywords_or_tags_and_no_match_is_an_empty_list"
FRAMES = "test_dicomweb_client_gets_frames_whose_pixels_are_pydicoms"
MAPPING = "test_a_study_is_an_imagingstudy_of_its_patient"
DOCUMENTS = "test_a_signed_report_is_read_by_its_patient_with_its_conclusion"
GOLDEN = "test_the_mado_study_is_told_as_its_golden_bundle_tells_it"


def tests() -> set[str]:
    """The names of all tests that the pages lean on."""
    tables = (ADDRESSES, INTERACTIONS, RESULTS, SERVICES)
    single = {MATRIX, ERRORS, LOWER_ERRORS, PARAMETERS, SYNTAXES, KEYS, FRAMES, MAPPING, GOLDEN}
    single |= {DOCUMENTS}
    return single.union(*(table.values() for table in tables))
