{{ demand_by('team', ref('dim_card')) }}
