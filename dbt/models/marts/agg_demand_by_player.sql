{{ demand_by('player', ref('bridge_card_players')) }}
